#include "support/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <vector>

#include "core/parallel.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using Doubles = std::vector<double>;

double load(const Tensor& x, int64_t i) {
  switch (x.dtype()) {
    case DType::kF64:
      return x.data<double>()[i];
    case DType::kF32:
      return x.data<float>()[i];
    case DType::kBF16:
      return to_float(x.data<BFloat16>()[i]);
    case DType::kF16:
      return to_float(x.data<Half>()[i]);
    case DType::kI32:
      return x.data<int32_t>()[i];
  }
  return 0;
}

void store(const Tensor& y, int64_t i, double v) {
  switch (y.dtype()) {
    case DType::kF64:
      y.data<double>()[i] = v;
      return;
    case DType::kF32:
      y.data<float>()[i] = float(v);
      return;
    case DType::kBF16:
      y.data<BFloat16>()[i] = to_bfloat16(float(v));
      return;
    case DType::kF16:
      y.data<Half>()[i] = to_half(float(v));
      return;
    case DType::kI32:
      y.data<int32_t>()[i] = int32_t(v);
      return;
  }
}

/// A copy, so that every operation may write over its inputs.
Doubles values(const Tensor& x) {
  Doubles v(static_cast<size_t>(x.numel()));
  for (int64_t i = 0; i < x.numel(); ++i) v[size_t(i)] = load(x, i);
  return v;
}

void assign(const Tensor& y, const Doubles& v) {
  for (int64_t i = 0; i < y.numel(); ++i) store(y, i, v[size_t(i)]);
}

double act(double x, Act kind) {
  switch (kind) {
    case Act::kNone:
      return x;
    case Act::kSilu:
      return x / (1 + std::exp(-x));
    case Act::kGelu:
      return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
    case Act::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Act::kGeGlu:
      break;  // this backend does not claim the fusion
  }
  return x;
}

/// y[o] += sum over i of x[i] w[i][o]. Four rows at a time: the sum stays in registers longer.
void add_product(const double* x, const double* w, int64_t n_in, int64_t n_out, double* y) {
  int64_t i = 0;
  for (; i + 4 <= n_in; i += 4) {
    const double* w0 = w + i * n_out;
    const double *w1 = w0 + n_out, *w2 = w1 + n_out, *w3 = w2 + n_out;
    for (int64_t o = 0; o < n_out; ++o)
      y[o] += (x[i] * w0[o] + x[i + 1] * w1[o]) + (x[i + 2] * w2[o] + x[i + 3] * w3[o]);
  }
  for (; i < n_in; ++i) {
    for (int64_t o = 0; o < n_out; ++o) y[o] += x[i] * w[i * n_out + o];
  }
}

/// Weights as [k*k or 1][in][out], so that the inner loops run over outputs.
struct ReferenceWeight : PackedWeight {
  Doubles values;
  Doubles bias;  // [out], zeros where absent
};

const ReferenceWeight& unpack(const PackedWeight& w) {
  return dynamic_cast<const ReferenceWeight&>(w);
}

Doubles read_doubles(const WeightView& view) {
  std::vector<float> f(static_cast<size_t>(view.numel()));
  read_f32(view, 0, view.numel(), f.data());
  return Doubles(f.begin(), f.end());
}

/// y = act(v + row_bias) + residual; v is [batch * rows_per_batch][channels] with the bias added.
void finish(Doubles v, const Epilogue& e, int64_t batch, const Tensor& y) {
  const int64_t channels = y.dim(-1);
  const int64_t per_batch = y.numel() / batch;
  for (int64_t i = 0; i < y.numel(); ++i) {
    double& out = v[size_t(i)];
    if (e.row_bias) {
      const int64_t b = e.row_bias->dim(0) == 1 ? 0 : i / per_batch;
      out += load(*e.row_bias, b * channels + i % channels);
    }
    out = act(out, e.act);
    if (e.residual) out += load(*e.residual, i);
  }
  assign(y, v);
}

class HostMemory : public MemoryResource {
 public:
  void* allocate(size_t bytes) override {
    void* p = ::operator new (bytes, std::align_val_t{64}, std::nothrow);
    if (!p) throw Error(ErrorKind::kMemory, str("cannot allocate ", bytes, " bytes"));
    return p;
  }
  void deallocate(void* p, size_t) override { ::operator delete (p, std::align_val_t{64}); }
};

class ReferenceBackend : public Backend {
 public:
  std::string description() const override { return "reference f64"; }
  MemoryResource& memory() override { return memory_; }
  DType param_dtype() const override { return DType::kF64; }

  PackedWeightPtr pack_conv2d(const WeightView& weight, const WeightView& bias,
                              const Conv2dParams& params, DType) override {
    auto packed = std::make_shared<ReferenceWeight>();
    packed->out = weight.shape[0];
    packed->in = weight.shape[1];
    const int64_t taps = int64_t{params.kernel} * params.kernel;
    const Doubles w = read_doubles(weight);  // [O, I, k, k]
    packed->values.resize(w.size());
    for (int64_t o = 0; o < packed->out; ++o)
      for (int64_t i = 0; i < packed->in; ++i)
        for (int64_t t = 0; t < taps; ++t)
          packed->values[size_t((t * packed->in + i) * packed->out + o)] =
              w[size_t((o * packed->in + i) * taps + t)];
    packed->bias = bias ? read_doubles(bias) : Doubles(size_t(packed->out));
    packed->bytes = (packed->values.size() + packed->bias.size()) * sizeof(double);
    return packed;
  }

  PackedWeightPtr pack_linear(std::span<const WeightView> weights,
                              std::span<const WeightView> biases, DType) override {
    auto packed = std::make_shared<ReferenceWeight>();
    packed->in = weights[0].shape[1];
    for (const WeightView& w : weights) packed->out += w.shape[0];
    packed->values.resize(size_t(packed->in * packed->out));
    packed->bias.resize(size_t(packed->out));
    int64_t first = 0;
    for (size_t part = 0; part < weights.size(); ++part) {
      const int64_t n_out = weights[part].shape[0];
      const Doubles w = read_doubles(weights[part]);  // [O, I]
      for (int64_t o = 0; o < n_out; ++o)
        for (int64_t i = 0; i < packed->in; ++i)
          packed->values[size_t(i * packed->out + first + o)] = w[size_t(o * packed->in + i)];
      if (part < biases.size() && biases[part])
        std::ranges::copy(read_doubles(biases[part]), packed->bias.begin() + first);
      first += n_out;
    }
    packed->bytes = (packed->values.size() + packed->bias.size()) * sizeof(double);
    return packed;
  }

  Tensor constant(const WeightView& view) override {
    const size_t bytes = size_t(view.numel()) * sizeof(double);
    auto* block = new Buffer{memory_.allocate(bytes), bytes};
    std::shared_ptr<Buffer> buffer(block, [](Buffer* b) {
      ::operator delete (b->data, std::align_val_t{64});
      delete b;
    });
    Tensor y(std::move(buffer), view.shape, DType::kF64);
    assign(y, read_doubles(view));
    return y;
  }

  void upload(const float* host, Tensor& y) override {
    for (int64_t i = 0; i < y.numel(); ++i) store(y, i, host[i]);
  }
  void download(const Tensor& x, float* host) override {
    for (int64_t i = 0; i < x.numel(); ++i) host[i] = float(load(x, i));
  }

  void conv2d(const ConvInput& input, const PackedWeight& packed, const Conv2dParams& p,
              const Epilogue& epilogue, Tensor& y) override {
    if (input.concat || input.norm || input.upsample2x)
      throw Error(ErrorKind::kOther, "the reference backend's conv2d fuses nothing");
    const ReferenceWeight& w = unpack(packed);
    const Doubles x = values(*input.x);
    const int64_t height = input.x->dim(1), width = input.x->dim(2);
    const int64_t out_height = y.dim(1), out_width = y.dim(2);
    Doubles out(static_cast<size_t>(y.numel()));
    parallel_for(y.dim(0) * out_height, [&](int64_t row) {
      const int64_t b = row / out_height, oy = row % out_height;
      double* out_row = out.data() + row * out_width * w.out;
      for (int64_t ox = 0; ox < out_width; ++ox) std::ranges::copy(w.bias, out_row + ox * w.out);
      for (int64_t tap = 0; tap < int64_t{p.kernel} * p.kernel; ++tap) {
        const int64_t iy = oy * p.stride + tap / p.kernel - p.pad.top;
        if (iy < 0 || iy >= height) continue;
        for (int64_t ox = 0; ox < out_width; ++ox) {
          const int64_t ix = ox * p.stride + tap % p.kernel - p.pad.left;
          if (ix < 0 || ix >= width) continue;
          add_product(&x[size_t(((b * height + iy) * width + ix) * w.in)],
                      &w.values[size_t(tap * w.in * w.out)], w.in, w.out, out_row + ox * w.out);
        }
      }
    });
    finish(std::move(out), epilogue, y.dim(0), y);
  }

  void linear(const Tensor& x, const PackedWeight& packed, const Epilogue& epilogue,
              Tensor& y) override {
    const ReferenceWeight& w = unpack(packed);
    const Doubles in = values(x);
    Doubles out(static_cast<size_t>(y.numel()));
    parallel_for(x.numel() / w.in, [&](int64_t row) {
      double* out_row = out.data() + row * w.out;
      std::ranges::copy(w.bias, out_row);
      add_product(&in[size_t(row * w.in)], w.values.data(), w.in, w.out, out_row);
    });
    finish(std::move(out), epilogue, y.shape().rank() > 1 ? y.dim(0) : 1, y);
  }

  void group_norm(const Tensor& x, const InputNorm& norm, Tensor& y) override {
    Doubles v = values(x);
    const int64_t batch = x.dim(0), channels = x.dim(-1);
    const int64_t pixels = x.numel() / (batch * channels), width = channels / norm.groups;
    parallel_for(batch * norm.groups, [&](int64_t i) {
      const int64_t first = i % norm.groups * width;
      double* plane = v.data() + i / norm.groups * pixels * channels;
      double mean = 0, variance = 0;
      for (int64_t p = 0; p < pixels; ++p)
        for (int64_t c = first; c < first + width; ++c) mean += plane[p * channels + c];
      mean /= double(pixels * width);
      for (int64_t p = 0; p < pixels; ++p)
        for (int64_t c = first; c < first + width; ++c)
          variance += (plane[p * channels + c] - mean) * (plane[p * channels + c] - mean);
      const double scale = 1 / std::sqrt(variance / double(pixels * width) + norm.eps);
      for (int64_t p = 0; p < pixels; ++p)
        for (int64_t c = first; c < first + width; ++c) {
          double& e = plane[p * channels + c];
          e = act((e - mean) * scale * load(*norm.gamma, c) + load(*norm.beta, c), norm.act);
        }
    });
    assign(y, v);
  }

  void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps,
                  Tensor& y) override {
    Doubles v = values(x);
    const int64_t channels = x.dim(-1);
    for (double* row = v.data(); row != v.data() + v.size(); row += channels) {
      double mean = 0, variance = 0;
      for (int64_t c = 0; c < channels; ++c) mean += row[c];
      mean /= double(channels);
      for (int64_t c = 0; c < channels; ++c) variance += (row[c] - mean) * (row[c] - mean);
      const double scale = 1 / std::sqrt(variance / double(channels) + eps);
      for (int64_t c = 0; c < channels; ++c)
        row[c] = (row[c] - mean) * scale * load(gamma, c) + load(beta, c);
    }
    assign(y, v);
  }

  void geglu(const Tensor& x, Tensor& y) override {
    const Doubles v = values(x);
    const int64_t channels = y.dim(-1);
    for (int64_t i = 0; i < y.numel(); ++i) {
      const double* row = v.data() + i / channels * 2 * channels + i % channels;
      store(y, i, row[0] * act(row[channels], Act::kGelu));
    }
  }

  void attention(const Columns& q, const Columns& k, const Columns& v,
                 const AttentionParams& params, Tensor& y) override {
    const int64_t batch = y.dim(0), tokens = y.dim(1), tokens_k = k.tensor->dim(1);
    const int64_t head_dim = q.width / params.heads;
    const Doubles qs = columns(q), ks = columns(k), vs = columns(v);
    Doubles out(static_cast<size_t>(y.numel()));
    parallel_for(batch * params.heads, [&](int64_t i) {
      const int64_t b = i / params.heads, column = i % params.heads * head_dim;
      const double* k0 = &ks[size_t(b * tokens_k * k.width + column)];
      const double* v0 = &vs[size_t(b * tokens_k * v.width + column)];
      for (int64_t t = 0; t < tokens; ++t) {
        const int64_t row = (b * tokens + t) * q.width + column;
        const int64_t n_keys = params.causal ? std::min(t + 1, tokens_k) : tokens_k;
        Doubles p(static_cast<size_t>(n_keys));
        for (int64_t j = 0; j < n_keys; ++j) {
          for (int64_t d = 0; d < head_dim; ++d)
            p[size_t(j)] += qs[size_t(row + d)] * k0[j * k.width + d];
          p[size_t(j)] *= params.scale;
        }
        const double largest = *std::ranges::max_element(p);
        double sum = 0;
        for (double& e : p) sum += e = std::exp(e - largest);
        for (int64_t j = 0; j < n_keys; ++j)
          for (int64_t d = 0; d < head_dim; ++d)
            out[size_t(row + d)] += p[size_t(j)] / sum * v0[j * v.width + d];
      }
    });
    assign(y, out);
  }

  void activation(const Tensor& x, Act kind, Tensor& y) override {
    for (int64_t i = 0; i < y.numel(); ++i) store(y, i, act(load(x, i), kind));
  }

  void lincomb(std::span<const Term> terms, Tensor& y) override {
    const bool is_double = y.dtype() == DType::kF64;  // else the contract's f32 factors
    for (int64_t i = 0; i < y.numel(); ++i) {
      double sum = 0;
      for (const Term& t : terms) sum += (is_double ? t.a : double(float(t.a))) * load(*t.x, i);
      store(y, i, sum);
    }
  }

  void blend(const Tensor& mask, const Tensor& a, const Tensor& b, Tensor& y) override {
    const int64_t plane = mask.numel(), channels = y.dim(3);
    for (int64_t i = 0; i < y.numel(); ++i) {
      const double m = load(mask, i / channels % plane);
      store(y, i, m * load(a, i) + (1 - m) * load(b, i));
    }
  }

  void upsample_nearest(const Tensor& x, Tensor& y) override {
    const int64_t channels = y.dim(3);
    for (int64_t i = 0; i < y.numel() / channels; ++i) {
      const int64_t ox = i % y.dim(2), oy = i / y.dim(2) % y.dim(1), b = i / (y.dim(2) * y.dim(1));
      const int64_t iy = oy * x.dim(1) / y.dim(1), ix = ox * x.dim(2) / y.dim(2);
      const int64_t source = ((b * x.dim(1) + iy) * x.dim(2) + ix) * channels;
      for (int64_t c = 0; c < channels; ++c) store(y, i * channels + c, load(x, source + c));
    }
  }

  void concat(const Tensor& a, const Tensor& b, Tensor& y) override {
    const int64_t na = a.dim(-1), nb = b.dim(-1);
    for (int64_t row = 0; row < y.numel() / (na + nb); ++row) {
      for (int64_t c = 0; c < na; ++c) store(y, row * (na + nb) + c, load(a, row * na + c));
      for (int64_t c = 0; c < nb; ++c) store(y, row * (na + nb) + na + c, load(b, row * nb + c));
    }
  }

  void embed(std::span<const int32_t> ids, const Tensor& table, const Tensor& positions,
             Tensor& y) override {
    const int64_t tokens = y.dim(1), channels = y.dim(2);
    for (int64_t i = 0; i < y.numel(); ++i) {
      const int64_t token = i / channels, c = i % channels;
      store(y, i,
            load(table, int64_t{ids[size_t(token)]} * channels + c) +
                load(positions, token % tokens * channels + c));
    }
  }

  void sum_of_squares(const Tensor& x, Tensor& y) override {
    double sum = 0;
    for (int64_t i = 0; i < x.numel(); ++i) sum += load(x, i) * load(x, i);
    store(y, 0, sum);
  }

 private:
  /// [B, T, width] of a column range.
  static Doubles columns(const Columns& part) {
    const int64_t stride = part.tensor->dim(-1);
    Doubles v(static_cast<size_t>(part.tensor->numel() / stride * part.width));
    for (size_t i = 0; i < v.size(); ++i)
      v[i] = load(*part.tensor,
                  int64_t(i) / part.width * stride + part.first + int64_t(i) % part.width);
    return v;
  }

  HostMemory memory_;
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace dedit

#include "backend/cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "backend/cpu/convert.h"
#include "backend/cpu/group_norm.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/jobs.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cpu {
namespace {

constexpr int64_t kElements = 1 << 15;  // of one job of an element-wise op

/// body(first, count) over blocks of [0, rows) of about kElements elements.
template <class Body>
void for_row_blocks(int64_t rows, int64_t row_length, const Body& body) {
  const int64_t block = std::max<int64_t>(1, kElements / std::max<int64_t>(1, row_length));
  parallel_for(divide_up(rows, block), [&](int64_t i) {
    const int64_t first = i * block;
    body(first, std::min(block, rows - first));
  });
}

const std::byte* element(const Tensor& x, int64_t i) {
  return static_cast<const std::byte*>(x.raw()) + size_t(i) * size_of(x.dtype());
}
std::byte* element(Tensor& y, int64_t i) {
  return static_cast<std::byte*>(y.raw()) + size_t(i) * size_of(y.dtype());
}

bool is_pointwise(const Conv2dParams& p) {
  return p.kernel == 1 && p.stride == 1 && p.pad.top == 0 && p.pad.left == 0 && p.pad.bottom == 0 &&
         p.pad.right == 0;
}

}  // namespace

CpuBackend::CpuBackend(kernels::IsaLevel level, const BackendOptions& options)
    : level_(level),
      low_memory_(options.low_memory),
      table_(kernels::kernel_table(level)),
      products_(table_, has_bf16_products(level)),
      linears_(table_, has_bf16_products(level)),
      winograd_(table_) {}

std::string CpuBackend::description() const {
  return str("cpu ", kernels::name_of(level_));
}

/// AMX multiplies bf16 in tiles, which oneDNN has and kernels/cpu has not.
bool CpuBackend::prefers_onednn(DType compute) const {
  return compute == DType::kBF16 && level_ == kernels::IsaLevel::kAmx;
}

bool CpuBackend::fuses(Fusion fusion, const PackedWeight& weight) const {
  switch (fusion) {
    case Fusion::kConvNorm:
    case Fusion::kConvUpsample:
      return dynamic_cast<const Winograd::Weight*>(&weight) != nullptr;
    case Fusion::kGeGlu:
      return dynamic_cast<const Linears::Weight*>(&weight) != nullptr;
    case Fusion::kConvConcat:
      return false;
  }
  return false;
}

/// `weights` have been packed: as they lie in the file, or in oneDNN's layout, which is a copy.
void CpuBackend::used(std::span<const WeightView> weights) const {
  if (low_memory_) std::for_each(weights.begin(), weights.end(), give_back_pages);
}

PackedWeightPtr CpuBackend::pack_conv2d(const WeightView& weight, const WeightView& bias,
                                        const Conv2dParams& params, DType compute) {
  PackedWeightPtr packed;
  if (!prefers_onednn(compute) && Winograd::fits(weight, params)) {
    packed = Winograd::pack(weight, bias);
  } else if (!prefers_onednn(compute) && is_pointwise(params)) {
    packed = linears_.pack({&weight, 1}, {&bias, 1}, compute);
  } else {
    packed = products_.pack_conv2d(weight, bias, params, compute);
  }
  used({&weight, 1});
  return packed;
}

PackedWeightPtr CpuBackend::pack_linear(std::span<const WeightView> weights,
                                        std::span<const WeightView> biases, DType compute) {
  PackedWeightPtr packed = prefers_onednn(compute) ? products_.pack_linear(weights, biases, compute)
                                                   : linears_.pack(weights, biases, compute);
  used(weights);
  return packed;
}

Tensor CpuBackend::constant(const WeightView& view) {
  const size_t bytes = size_t(view.numel()) * sizeof(float);
  auto data = make_host_array<float>(size_t(view.numel()));
  read_f32(view, 0, view.numel(), data.get());
  used({&view, 1});
  const std::shared_ptr<Buffer> buffer(new Buffer{data.get(), bytes}, [](Buffer* b) {
    HostFree()(b->data);
    delete b;
  });
  static_cast<void>(data.release());  // the buffer's deleter owns it now
  return Tensor(buffer, view.shape, DType::kF32);
}

void CpuBackend::upload(const float* host, Tensor& y) {
  kernel_type(y.dtype());
  convert(table_, host, DType::kF32, y.raw(), y.dtype(), y.numel());
}

void CpuBackend::download(const Tensor& x, float* host) {
  if (x.dtype() == DType::kF64) {
    std::transform(x.data<double>(), x.data<double>() + x.numel(), host,
                   [](double v) { return float(v); });
    return;
  }
  kernel_type(x.dtype());
  convert(table_, x.raw(), x.dtype(), host, DType::kF32, x.numel());
}

void CpuBackend::conv2d(const ConvInput& input, const PackedWeight& w, const Conv2dParams& params,
                        const Epilogue& epilogue, Tensor& y) {
  if (const auto* transformed = dynamic_cast<const Winograd::Weight*>(&w); transformed) {
    if (!input.concat) {
      winograd_.conv2d(input, *transformed, epilogue, y);
      return used(transformed->rows.parts());
    }
  }
  if (input.concat || input.norm || input.upsample2x) {
    throw Error(ErrorKind::kOther, "cpu: conv2d was asked for a fusion it does not have");
  }
  if (is_pointwise(params)) return linear(*input.x, w, epilogue, y);
  products_.conv2d(*input.x, w, params, epilogue, y);
}

void CpuBackend::linear(const Tensor& x, const PackedWeight& w, const Epilogue& epilogue,
                        Tensor& y) {
  if (const auto* stored = dynamic_cast<const Linears::Weight*>(&w)) {
    linears_.linear(x, *stored, epilogue, y);
    return used(stored->rows.parts());
  }
  products_.linear(x, w, epilogue, y);
}

void CpuBackend::group_norm(const Tensor& x, const InputNorm& norm, Tensor& y) {
  cpu::group_norm(table_, scratch_, x, norm, y);
}

void CpuBackend::layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps,
                            Tensor& y) {
  const auto kernel = table_.layer_norm[kernel_type(x.dtype())];
  const int64_t n = x.dim(-1);
  for_row_blocks(x.numel() / n, n, [&](int64_t first, int64_t count) {
    kernel({.x = element(x, first * n),
            .y = element(y, first * n),
            .rows = count,
            .n = n,
            .gamma = gamma.data<float>(),
            .beta = beta.data<float>(),
            .eps = eps});
  });
}

void CpuBackend::geglu(const Tensor& x, Tensor& y) {
  const auto kernel = table_.geglu[kernel_type(x.dtype())];
  const int64_t n = y.dim(-1);
  for_row_blocks(y.numel() / n, n, [&](int64_t first, int64_t count) {
    kernel(element(x, first * 2 * n), count, n, element(y, first * n));
  });
}

void CpuBackend::attention(const Columns& q, const Columns& k, const Columns& v,
                           const AttentionParams& params, Tensor& y) {
  const auto kernel = table_.attention[kernel_type(y.dtype())];
  const auto row = [](const Columns& c) { return c.tensor->dim(-1); };
  const int64_t tokens_q = y.dim(1), tokens_k = k.tensor->dim(1);
  const kernels::AttentionArgs args{.q = element(*q.tensor, q.first),
                                    .k = element(*k.tensor, k.first),
                                    .v = element(*v.tensor, v.first),
                                    .y = y.raw(),
                                    .q_row = row(q),
                                    .k_row = row(k),
                                    .v_row = row(v),
                                    .y_row = y.dim(-1),
                                    .q_batch = tokens_q * row(q),
                                    .k_batch = tokens_k * row(k),
                                    .v_batch = tokens_k * row(v),
                                    .y_batch = tokens_q * y.dim(-1),
                                    .batch = y.dim(0),
                                    .tokens_q = tokens_q,
                                    .tokens_k = tokens_k,
                                    .heads = params.heads,
                                    .head_dim = int(q.width / params.heads),
                                    .scale = params.scale,
                                    .causal = params.causal};
  const size_t bytes = (table_.attention_scratch_bytes(args) + 63) / 64 * 64;
  const int64_t n_threads = num_threads();
  const ScratchPool::Lease lease(scratch_, bytes * size_t(n_threads));
  parallel_for(table_.attention_tasks(args), [&](int64_t task) {
    kernel(args, task, lease.data() + bytes * size_t(scratch_index(n_threads)));
  });
}

void CpuBackend::activation(const Tensor& x, Act act, Tensor& y) {
  const auto kernel = table_.activation[kernel_type(x.dtype())];
  for_row_blocks(x.numel(), 1, [&](int64_t first, int64_t count) {
    kernel(element(x, first), count, kernel_activation(act), element(y, first));
  });
}

void CpuBackend::lincomb(std::span<const Term> terms, Tensor& y) {
  constexpr size_t kMaxTerms = 8;
  const auto kernel = table_.lincomb[kernel_type(y.dtype())];
  if (terms.empty() || terms.size() > kMaxTerms) {
    throw Error(ErrorKind::kOther, str("cpu: lincomb of ", terms.size(), " terms, not 1 to 8"));
  }
  kernels::LincombTerm all[kMaxTerms];
  for (size_t t = 0; t < terms.size(); ++t) {
    all[t] = {float(terms[t].a), terms[t].x->raw(), kernel_type(terms[t].x->dtype())};
  }
  for_row_blocks(y.numel(), 1, [&](int64_t first, int64_t count) {
    kernels::LincombTerm part[kMaxTerms];
    for (size_t t = 0; t < terms.size(); ++t) {
      part[t] = {all[t].a, element(*terms[t].x, first), all[t].type};
    }
    kernel(part, int(terms.size()), count, element(y, first));
  });
}

void CpuBackend::blend(const Tensor& mask, const Tensor& a, const Tensor& b, Tensor& y) {
  const auto kernel = table_.blend[kernel_type(y.dtype())];
  const int64_t channels = y.dim(3), plane = mask.numel();
  for (int64_t image = 0; image < y.dim(0); ++image) {
    for_row_blocks(plane, channels, [&](int64_t first, int64_t count) {
      const int64_t at = (image * plane + first) * channels;
      kernel(mask.data<float>() + first, element(a, at), element(b, at), count, channels,
             element(y, at));
    });
  }
}

void CpuBackend::upsample_nearest(const Tensor& x, Tensor& y) {
  const int64_t in_h = x.dim(1), in_w = x.dim(2), out_h = y.dim(1), out_w = y.dim(2);
  const int64_t channels = x.dim(3);
  parallel_for(y.dim(0) * out_h, [&](int64_t row) {
    const int64_t image = row / out_h, source = row % out_h * in_h / out_h;
    table_.resize_row(element(x, (image * in_h + source) * in_w * channels), in_w, out_w,
                      size_t(channels) * size_of(x.dtype()), element(y, row * out_w * channels));
  });
}

void CpuBackend::concat(const Tensor& a, const Tensor& b, Tensor& y) {
  const int64_t ca = a.dim(-1), cb = b.dim(-1);
  const size_t size = size_of(y.dtype());
  for_row_blocks(y.numel() / (ca + cb), ca + cb, [&](int64_t first, int64_t count) {
    table_.concat_rows(element(a, first * ca), size_t(ca) * size, element(b, first * cb),
                       size_t(cb) * size, count, element(y, first * (ca + cb)));
  });
}

void CpuBackend::embed(std::span<const int32_t> ids, const Tensor& table, const Tensor& positions,
                       Tensor& y) {
  const auto kernel = table_.add_rows[kernel_type(y.dtype())];
  const int64_t tokens = y.dim(1), n = y.dim(2);
  for_row_blocks(int64_t(ids.size()), n, [&](int64_t first, int64_t count) {
    for (int64_t i = first; i < first + count; ++i) {
      kernel(table.data<float>() + ids[size_t(i)] * n, positions.data<float>() + i % tokens * n, n,
             element(y, i * n));
    }
  });
}

void CpuBackend::sum_of_squares(const Tensor& x, Tensor& y) {
  const bool is_f32 = kernel_type(x.dtype()) == kernels::kTypeF32;
  const int64_t n = x.numel();
  std::vector<double> sums(size_t(divide_up(n, kElements)));
  parallel_for(int64_t(sums.size()), [&](int64_t block) {
    const int64_t first = block * kElements, end = std::min(n, first + kElements);
    double sum = 0;
    for (int64_t i = first; i < end; ++i) {
      const double v = is_f32 ? x.data<float>()[i] : to_float(x.data<BFloat16>()[i]);
      sum += v * v;
    }
    sums[size_t(block)] = sum;
  });
  y.data<double>()[0] = std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace dedit::cpu

namespace dedit {

std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options) {
  return std::make_unique<cpu::CpuBackend>(cpu::chosen_isa(), options);
}

}  // namespace dedit

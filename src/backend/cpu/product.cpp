#include "backend/cpu/product.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/blocking.h"
#include "backend/cpu/convert.h"
#include "backend/cpu/jobs.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cpu {
namespace {

/// Rows [first, first + count) of weights stacked along the output channels.
void read_stacked(std::span<const WeightView> weights, int64_t first, int64_t count, float* out) {
  for (const WeightView& w : weights) {
    const int64_t rows = w.shape[0], length = w.numel() / rows;
    const int64_t n = std::min(count, rows - first);
    if (n > 0) {
      read_f32(w, first * length, n * length, out);
      out += n * length;
      count -= n;
      first += n;
    }
    first -= rows;
    if (count == 0) return;
  }
}

size_t aligned(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

}  // namespace

kernels::Type kernel_type(DType dtype) {
  if (dtype == DType::kF32) return kernels::kTypeF32;
  if (dtype == DType::kBF16) return kernels::kTypeBf16;
  throw Error(ErrorKind::kOther, str("cpu: activations are f32 or bf16, not ", name_of(dtype)));
}

kernels::Activation kernel_activation(Act act) {
  switch (act) {
    case Act::kNone:
    case Act::kGeGlu:  // not of one value; a fusion of its own
      return kernels::Activation::kNone;
    case Act::kSilu:
      return kernels::Activation::kSilu;
    case Act::kGelu:
      return kernels::Activation::kGelu;
    case Act::kQuickGelu:
      return kernels::Activation::kQuickGelu;
  }
  return kernels::Activation::kNone;
}

/// Weights are immutable but for the layouts that oneDNN adds, under their own lock.
class Products::Weight : public PackedWeight {
 public:
  BlockShape shape;  // of one block; rows, columns and padding come with each call
  int64_t n_blocks = 0;
  std::shared_ptr<PackedBlocks> blocks;
  HostArray<float> bias;  // [out], zero where absent
};

/// One product: its row blocks and its epilogue.
struct Products::Call {
  const Weight& w;
  const Tensor& x;
  const Epilogue& epilogue;
  Tensor& y;
  std::vector<RowBlock> rows;
  std::vector<Plan> plans = {};  // one a row block
};

DType Products::product_type(DType compute) const {
  return compute == DType::kBF16 && native_bf16_ ? DType::kBF16 : DType::kF32;
}

PackedWeightPtr Products::pack(const BlockShape& shape, std::span<const WeightView> weights,
                               std::span<const WeightView> biases) {
  auto w = std::make_shared<Weight>();
  for (const WeightView& v : weights) w->out += v.shape[0];
  w->in = shape.in;
  w->shape = shape;
  w->n_blocks = w->out / shape.out;
  w->bias = make_host_array<float>(size_t(w->out));
  std::fill_n(w->bias.get(), w->out, 0.0f);
  float* bias = w->bias.get();
  for (size_t i = 0; i < weights.size(); ++i) {
    if (i < biases.size() && biases[i]) read_f32(biases[i], 0, weights[i].shape[0], bias);
    bias += weights[i].shape[0];
  }
  w->blocks = onednn_.pack(shape, w->n_blocks, [&](int64_t first, int64_t count, float* out) {
    read_stacked(weights, first, count, out);
  });
  w->bytes = OneDnn::bytes(*w->blocks) + size_t(w->out) * sizeof(float);
  return w;
}

PackedWeightPtr Products::pack_conv2d(const WeightView& weight, const WeightView& bias,
                                      const Conv2dParams& p, DType compute) {
  const int64_t out = weight.shape[0], in = weight.shape[1];
  const DType type = product_type(compute);
  const bool is_matmul = p.kernel == 1 && p.stride == 1 && p.pad.top == 0 && p.pad.left == 0 &&
                         p.pad.bottom == 0 && p.pad.right == 0;
  return pack(is_matmul ? typical_linear(type, in, linear_block_channels(out))
                        : typical_conv(type, in, conv_block_channels(out), p),
              {&weight, 1}, {&bias, 1});
}

PackedWeightPtr Products::pack_linear(std::span<const WeightView> weights,
                                      std::span<const WeightView> biases, DType compute) {
  int64_t out = 0;
  for (const WeightView& w : weights) out += w.shape[0];
  return pack(
      typical_linear(product_type(compute), weights[0].shape[1], linear_block_channels(out)),
      weights, biases);
}

void Products::conv2d(const Tensor& x, const PackedWeight& packed, const Conv2dParams& params,
                      const Epilogue& epilogue, Tensor& y) {
  const auto& w = static_cast<const Weight&>(packed);
  if (w.shape.is_matmul) return linear(x, packed, epilogue, y);
  Call call{.w = w,
            .x = x,
            .epilogue = epilogue,
            .y = y,
            .rows = conv_row_blocks(w.shape, x.shape(), params, w.n_blocks)};
  run(call);
}

void Products::linear(const Tensor& x, const PackedWeight& packed, const Epilogue& epilogue,
                      Tensor& y) {
  const auto& w = static_cast<const Weight&>(packed);
  const int64_t images = x.dim(0), rows = x.numel() / (w.in * images);
  Call call{.w = w,
            .x = x,
            .epilogue = epilogue,
            .y = y,
            .rows = linear_row_blocks(w.shape, images, rows, w.n_blocks)};
  run(call);
}

kernels::EpilogueArgs epilogue_args(const Epilogue& e, Tensor& y, int64_t image, int64_t channel) {
  const int64_t out = y.dim(-1);
  const size_t offset = size_t(channel) * size_of(y.dtype());
  kernels::EpilogueArgs a{.y = static_cast<std::byte*>(y.raw()) + offset,
                          .y_row = out,
                          .activation = kernel_activation(e.act)};
  if (e.row_bias) {
    const int64_t row = e.row_bias->dim(0) > 1 ? image : 0;
    a.row_bias = e.row_bias->data<float>() + row * out + channel;
  }
  if (e.residual) a.residual = static_cast<const std::byte*>(e.residual->raw()) + offset;
  return a;
}

/// Biases, activation and residual of one row block by one block of channels.
void Products::finish(const Call& call, const RowBlock& r, int64_t channel,
                      const float* acc) const {
  const int64_t cols = call.w.shape.out;
  const size_t offset = size_t(r.first_output * call.w.out) * size_of(call.y.dtype());
  kernels::EpilogueArgs a = epilogue_args(call.epilogue, call.y, r.image, channel);
  a.acc = acc;
  a.bias = call.w.bias.get() + channel;
  a.acc_row = cols;
  a.rows = r.shape.out_height() * r.shape.out_width();
  a.cols = cols;
  a.y = static_cast<std::byte*>(a.y) + offset;
  if (a.residual) a.residual = static_cast<const std::byte*>(a.residual) + offset;
  table_.epilogue[kernel_type(call.y.dtype())](a);
}

void Products::run(Call& call) {
  const BlockShape& shape = call.w.shape;
  kernel_type(call.y.dtype());  // throws here rather than in a job
  size_t acc_bytes = 0, work_bytes = 0;
  for (const RowBlock& r : call.rows) {
    call.plans.push_back(onednn_.plan(r.shape, *call.w.blocks));
    const int64_t pixels = r.shape.out_height() * r.shape.out_width();
    acc_bytes = std::max(acc_bytes, aligned(size_t(pixels * shape.out) * sizeof(float)));
    work_bytes = std::max(work_bytes, aligned(call.plans.back().scratch_bytes));
  }
  const bool converts = call.x.dtype() != shape.dtype;
  const size_t x_bytes = converts ? aligned(size_t(call.x.numel()) * size_of(shape.dtype)) : 0;
  const int64_t n_threads = num_threads();
  const ScratchPool::Lease lease(scratch_, x_bytes + size_t(n_threads) * (acc_bytes + work_bytes));
  const auto* x = static_cast<const std::byte*>(call.x.raw());
  if (converts) {
    convert(table_, call.x.raw(), call.x.dtype(), lease.data(), shape.dtype, call.x.numel());
    x = lease.data();
  }
  // Neighbouring jobs share what is larger, weights or rows, while it is in cache.
  const int64_t n_rows = int64_t(call.rows.size()), n_blocks = call.w.n_blocks;
  const bool weights_outer = call.w.bytes > call.x.bytes();
  run_jobs(n_rows * n_blocks, [&](int64_t job) {
    const int64_t i_row = weights_outer ? job % n_rows : job / n_blocks;
    const int64_t block = weights_outer ? job / n_rows : job % n_blocks;
    const RowBlock& r = call.rows[size_t(i_row)];
    std::byte* acc =
        lease.data() + x_bytes + size_t(scratch_index(n_threads)) * (acc_bytes + work_bytes);
    auto* sums = reinterpret_cast<float*>(acc);
    onednn_.run(call.plans[size_t(i_row)], block, x + size_t(r.first_input) * size_of(shape.dtype),
                sums, acc + acc_bytes);
    finish(call, r, block * shape.out, sums);
  });
}

}  // namespace dedit::cpu

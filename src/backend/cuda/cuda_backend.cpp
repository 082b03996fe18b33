#include "backend/cuda/cuda_backend.h"

#include <algorithm>
#include <vector>

#include "core/str.h"
#include "cuda/attention.h"
#include "cuda/elementwise.h"
#include "cuda/norm.h"
#include "cuda/sums.h"

#include "dedit/error.h"

namespace dedit::cuda {
namespace {

constexpr int64_t kPiece = int64_t{4} << 20;  // elements of a conversion on the way in or out

Activation kernel_activation(Act act) {
  switch (act) {
    case Act::kNone:
    case Act::kGeGlu:  // which products have as a flag
      return Activation::kNone;
    case Act::kSilu:
      return Activation::kSilu;
    case Act::kGelu:
      return Activation::kGelu;
    case Act::kQuickGelu:
      return Activation::kQuickGelu;
  }
  return Activation::kNone;
}

/// The kernels compute in one type.
void require_type(const char* op, const Tensor& x, DType wanted) {
  if (x.dtype() == wanted) return;
  throw Error(ErrorKind::kOther, str("cuda: ", op, " of ", name_of(x.dtype()), " and ",
                                     name_of(wanted), " is not there"));
}

const std::byte* element(const Tensor& x, int64_t i) {
  return static_cast<const std::byte*>(x.raw()) + size_t(i) * size_of(x.dtype());
}

const Weight& unpack(const PackedWeight& w) {
  return dynamic_cast<const Weight&>(w);
}

/// What is the same for convolutions and linear layers.
ProductArgs product_args(const char* op, const Device& device, const Tensor& x, const Weight& w,
                         const Epilogue& e, Tensor& y) {
  require_type(op, x, w.dtype);
  require_type(op, y, w.dtype);
  ProductArgs args{.x = x.raw(),
                   .kernel = w.kernel,
                   .out = w.out,
                   .bias = reinterpret_cast<const float*>(w.biases.get()),
                   .activation = kernel_activation(e.act),
                   .geglu = e.act == Act::kGeGlu,
                   .y = y.raw(),
                   .type = kernel_type(w.dtype),
                   .capability = device.capability(),
                   .multiprocessors = device.multiprocessors()};
  if (e.row_bias) {
    args.row_bias = e.row_bias->data<float>();
    args.row_bias_step = e.row_bias->dim(0) == 1 ? 0 : w.out;
  }
  if (e.residual) {
    require_type(op, *e.residual, w.dtype);
    args.residual = e.residual->raw();
  }
  return args;
}

}  // namespace

size_t CudaBackend::Memory::slab_bytes() const {
  constexpr size_t kSlab = size_t{256} << 20, kShare = 16;
  return std::min(kSlab, queue_->device().total_bytes() / kShare);
}

CudaBackend::CudaBackend(std::unique_ptr<Device> device, const Queue::Options& options,
                         std::unique_ptr<Matmul> matmul)
    : queue_(std::make_shared<Queue>(std::move(device), options)),
      memory_(queue_),
      store_(queue_),
      matmul_(std::move(matmul)) {}

std::string CudaBackend::description() const {
  const std::string with = matmul_ ? str(", ", matmul_->description()) : "";
  return str("cuda ", queue_->device().description(), with);
}

bool CudaBackend::fuses(Fusion fusion, const PackedWeight& weight) const {
  switch (fusion) {
    case Fusion::kConvConcat:
    case Fusion::kConvUpsample:
      return true;
    case Fusion::kGeGlu:
      return unpack(weight).kernel == 1;
    case Fusion::kConvNorm:
      // The statistics need a pass over the input first; with it at hand in the cache, a second
      // kernel that writes the normalised input costs less than normalising it once a tap.
      return false;
  }
  return false;
}

/// Runs body(stream) in a turn of this thread's; what a launch throws becomes our error.
template <class Body>
auto CudaBackend::queued(const Body& body) {
  const Queue::Turn turn(*queue_);
  try {
    return body(queue_->stream());
  } catch (const Error&) {
    throw;
  } catch (const std::runtime_error& e) {
    throw Error(ErrorKind::kOther, str("cuda: ", e.what()));
  }
}

PackedWeightPtr CudaBackend::pack_conv2d(const WeightView& weight, const WeightView& bias,
                                         const Conv2dParams& params, DType compute) {
  return queued([&](Stream) { return store_.conv2d(weight, bias, params.kernel, compute); });
}

PackedWeightPtr CudaBackend::pack_linear(std::span<const WeightView> weights,
                                         std::span<const WeightView> biases, DType compute) {
  return queued([&](Stream) { return store_.linear(weights, biases, compute); });
}

Tensor CudaBackend::constant(const WeightView& view) {
  return queued([&](Stream) { return store_.constant(view); });
}

void CudaBackend::upload(const float* host, Tensor& y) {
  const Type type = kernel_type(y.dtype());
  queued([&](Stream stream) {
    if (type == Type::kF32) return queue_->upload(host, y.bytes(), y.raw());
    const int64_t n = y.numel();
    void* scratch = queue_->scratch(size_t(std::min(n, kPiece)) * sizeof(float));
    for (int64_t first = 0; first < n; first += kPiece) {
      const int64_t count = std::min(kPiece, n - first);
      queue_->upload(host + first, size_t(count) * sizeof(float), scratch);
      convert(stream, scratch, Type::kF32, const_cast<std::byte*>(element(y, first)), type, count);
    }
  });
}

void CudaBackend::download(const Tensor& x, float* host) {
  if (x.dtype() == DType::kF64) {
    std::vector<double> sums(size_t(x.numel()));
    queued([&](Stream) { queue_->download(x.raw(), x.bytes(), sums.data()); });
    std::transform(sums.begin(), sums.end(), host, [](double v) { return float(v); });
    return;
  }
  const Type type = kernel_type(x.dtype());
  queued([&](Stream stream) {
    if (type == Type::kF32) return queue_->download(x.raw(), x.bytes(), host);
    const int64_t n = x.numel();
    void* scratch = queue_->scratch(size_t(std::min(n, kPiece)) * sizeof(float));
    for (int64_t first = 0; first < n; first += kPiece) {
      const int64_t count = std::min(kPiece, n - first);
      convert(stream, element(x, first), type, scratch, Type::kF32, count);
      queue_->download(scratch, size_t(count) * sizeof(float), host + first);
    }
  });
}

void CudaBackend::end_of_step() {
  queued([&](Stream) { queue_->end_of_step(); });
}

void CudaBackend::run_product(Stream stream, ProductArgs args, const Weight& weight) {
  args.weights = store_.values(weight);
  const bool is_plain = args.kernel == 1 && args.stride == 1 && !args.x2 && !args.upsample2x &&
                        args.out_height == args.height && args.out_width == args.width &&
                        !args.geglu && !args.row_bias && args.activation == Activation::kNone;
  if (matmul_ && is_plain) {
    void* workspace = queue_->scratch(matmul_->workspace_bytes());
    if (matmul_->product(stream, args, weight.rounded_biases.get(), workspace)) return;
  }
  product(stream, args, queue_->scratch(product_workspace_bytes(args)));
}

void CudaBackend::conv2d(const ConvInput& input, const PackedWeight& w, const Conv2dParams& params,
                         const Epilogue& epilogue, Tensor& y) {
  if (input.norm) {
    throw Error(ErrorKind::kOther, "cuda: conv2d was asked for a fusion it does not have");
  }
  const Tensor& x = *input.x;
  const Weight& weight = unpack(w);
  ProductArgs args = product_args("conv2d", queue_->device(), x, weight, epilogue, y);
  args.batch = x.dim(0);
  args.height = x.dim(1);
  args.width = x.dim(2);
  args.channels = x.dim(3);
  if (input.concat) {
    require_type("conv2d", *input.concat, x.dtype());
    args.x2 = input.concat->raw();
    args.channels2 = input.concat->dim(3);
  }
  args.upsample2x = input.upsample2x;
  args.stride = params.stride;
  args.pad_top = params.pad.top;
  args.pad_left = params.pad.left;
  args.out_height = y.dim(1);
  args.out_width = y.dim(2);
  queued([&](Stream stream) { run_product(stream, args, weight); });
}

void CudaBackend::linear(const Tensor& x, const PackedWeight& w, const Epilogue& epilogue,
                         Tensor& y) {
  const Weight& weight = unpack(w);
  ProductArgs args = product_args("linear", queue_->device(), x, weight, epilogue, y);
  // The rows of a batch row are an image of height 1.
  args.batch = x.shape().rank() > 1 ? x.dim(0) : 1;
  args.width = args.out_width = x.numel() / w.in / args.batch;
  args.channels = w.in;
  queued([&](Stream stream) { run_product(stream, args, weight); });
}

void CudaBackend::group_norm(const Tensor& x, const InputNorm& norm, Tensor& y) {
  require_type("group_norm", y, x.dtype());
  const int64_t channels = x.dim(-1);
  const GroupNormArgs args{.x = x.raw(),
                           .y = y.raw(),
                           .type = kernel_type(x.dtype()),
                           .batch = x.dim(0),
                           .pixels = x.numel() / (x.dim(0) * channels),
                           .channels = channels,
                           .groups = norm.groups,
                           .eps = norm.eps,
                           .gamma = norm.gamma->data<float>(),
                           .beta = norm.beta->data<float>(),
                           .activation = kernel_activation(norm.act)};
  queued([&](Stream stream) {
    cuda::group_norm(stream, args, queue_->scratch(group_norm_workspace_bytes(args)));
  });
}

void CudaBackend::layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps,
                             Tensor& y) {
  require_type("layer_norm", y, x.dtype());
  const int64_t n = x.dim(-1);
  const LayerNormArgs args{.x = x.raw(),
                           .y = y.raw(),
                           .type = kernel_type(x.dtype()),
                           .rows = x.numel() / n,
                           .n = n,
                           .eps = eps,
                           .gamma = gamma.data<float>(),
                           .beta = beta.data<float>()};
  queued([&](Stream stream) { cuda::layer_norm(stream, args); });
}

void CudaBackend::geglu(const Tensor& x, Tensor& y) {
  require_type("geglu", y, x.dtype());
  const int64_t n = y.dim(-1);
  const Type type = kernel_type(x.dtype());
  queued([&](Stream stream) { cuda::geglu(stream, x.raw(), y.raw(), type, y.numel() / n, n); });
}

void CudaBackend::attention(const Columns& q, const Columns& k, const Columns& v,
                            const AttentionParams& params, Tensor& y) {
  for (const Columns& c : {q, k, v}) require_type("attention", *c.tensor, y.dtype());
  const auto row = [](const Columns& c) { return c.tensor->dim(-1); };
  const int64_t tokens_q = y.dim(1), tokens_k = k.tensor->dim(1);
  const AttentionArgs args{.q = element(*q.tensor, q.first),
                           .k = element(*k.tensor, k.first),
                           .v = element(*v.tensor, v.first),
                           .y = y.raw(),
                           .type = kernel_type(y.dtype()),
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
                           .causal = params.causal,
                           .capability = queue_->device().capability(),
                           .multiprocessors = queue_->device().multiprocessors()};
  queued([&](Stream stream) {
    cuda::attention(stream, args, queue_->scratch(attention_workspace_bytes(args)));
  });
}

void CudaBackend::activation(const Tensor& x, Act act, Tensor& y) {
  require_type("activation", y, x.dtype());
  const Type type = kernel_type(x.dtype());
  queued([&](Stream stream) {
    cuda::activation(stream, x.raw(), kernel_activation(act), y.raw(), type, x.numel());
  });
}

void CudaBackend::lincomb(std::span<const dedit::Term> terms, Tensor& y) {
  if (terms.empty() || terms.size() > size_t(kMaxTerms)) {
    throw Error(ErrorKind::kOther,
                str("cuda: lincomb of ", terms.size(), " terms, not 1 to ", kMaxTerms));
  }
  LincombArgs args;
  for (const dedit::Term& t : terms) {
    args.terms[args.n_terms++] = {float(t.a), t.x->raw(), kernel_type(t.x->dtype())};
  }
  args.y = y.raw();
  args.type = kernel_type(y.dtype());
  args.n = y.numel();
  queued([&](Stream stream) { cuda::lincomb(stream, args); });
}

void CudaBackend::blend(const Tensor& mask, const Tensor& a, const Tensor& b, Tensor& y) {
  require_type("blend", a, y.dtype());
  require_type("blend", b, y.dtype());
  const BlendArgs args{.mask = mask.data<float>(),
                       .a = a.raw(),
                       .b = b.raw(),
                       .y = y.raw(),
                       .type = kernel_type(y.dtype()),
                       .batch = y.dim(0),
                       .pixels = mask.numel(),
                       .channels = y.dim(3)};
  queued([&](Stream stream) { cuda::blend(stream, args); });
}

void CudaBackend::upsample_nearest(const Tensor& x, Tensor& y) {
  require_type("upsample_nearest", y, x.dtype());
  const ResizeArgs args{.x = x.raw(),
                        .y = y.raw(),
                        .type = kernel_type(x.dtype()),
                        .batch = x.dim(0),
                        .in_height = x.dim(1),
                        .in_width = x.dim(2),
                        .out_height = y.dim(1),
                        .out_width = y.dim(2),
                        .channels = x.dim(3)};
  queued([&](Stream stream) { cuda::upsample_nearest(stream, args); });
}

void CudaBackend::concat(const Tensor& a, const Tensor& b, Tensor& y) {
  require_type("concat", a, y.dtype());
  require_type("concat", b, y.dtype());
  const int64_t na = a.dim(-1), nb = b.dim(-1);
  const Type type = kernel_type(y.dtype());
  queued([&](Stream stream) {
    cuda::concat(stream, a.raw(), na, b.raw(), nb, y.raw(), type, y.numel() / (na + nb));
  });
}

void CudaBackend::embed(std::span<const int32_t> ids, const Tensor& table, const Tensor& positions,
                        Tensor& y) {
  const Type type = kernel_type(y.dtype());
  queued([&](Stream stream) {
    void* device_ids = queue_->scratch(ids.size_bytes());
    queue_->upload(ids.data(), ids.size_bytes(), device_ids);
    cuda::embed(stream, static_cast<const int32_t*>(device_ids), table.data<float>(),
                positions.data<float>(), y.raw(), type, y.dim(0), y.dim(1), y.dim(2));
  });
}

void CudaBackend::sum_of_squares(const Tensor& x, Tensor& y) {
  const Type type = kernel_type(x.dtype());
  queued([&](Stream stream) {
    cuda::sum_of_squares(stream, x.raw(), type, x.numel(), y.data<double>(),
                         queue_->scratch(sum_of_squares_workspace_bytes(x.numel())));
  });
}

}  // namespace dedit::cuda

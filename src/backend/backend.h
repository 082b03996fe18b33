// Backend: everything the networks ask of a device. Arguments are already checked and outputs
// already allocated by src/nn/ops.cpp; a backend only computes.
//
// Activations are f32 or bf16, on a GPU f16 too (f64 in the reference backend of the tests), NHWC
// or [B, T, C], contiguous. Norms, softmax and sums are taken in f32 whatever the activation type.
// Parameter vectors (norm weights, row biases) are `Backend::param_dtype()` tensors, f32 on real
// devices. Outputs never alias inputs unless the comment says "may alias". Results must not depend
// on the number of threads, to the bit.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/pool.h"
#include "core/tensor.h"
#include "core/weight_view.h"

namespace dedit {

/// kGelu is the exact (erf) form. kGeGlu halves the columns: x[:C] * gelu(x[C:]).
enum class Act : uint8_t { kNone, kSilu, kGelu, kQuickGelu, kGeGlu };

struct Conv2dParams {
  int kernel = 3;
  int stride = 1;
  /// Zero padding. The VAE's downsampling pads {0, 0, 1, 1}: bottom and right only.
  struct Pad {
    int top = 1, left = 1, bottom = 1, right = 1;
  } pad;
};

/// Weights with their bias, in the backend's own layout or as the checkpoint stores them (then this
/// keeps its mapping alive); made once at load, never changed.
class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
  int64_t in = 0;   ///< input channels (of both inputs where two are concatenated)
  int64_t out = 0;  ///< output channels
  size_t bytes = 0;
};
using PackedWeightPtr = std::shared_ptr<const PackedWeight>;

/// What follows a product or convolution: y = act(op(x) + bias + row_bias) + residual.
struct Epilogue {
  const Tensor* row_bias = nullptr;  ///< [1 or B, C_out] of param dtype: a bias per batch row
  const Tensor* residual = nullptr;  ///< shape and type of y; may be y itself
  Act act = Act::kNone;
  /// y is to take the residual's memory, which nobody reads any more; for src/nn/ops.cpp, which
  /// then passes the residual as y.
  bool into_residual = false;
};

/// Group norm and activation on a convolution's input.
struct InputNorm {
  const Tensor* gamma = nullptr;  ///< [C]
  const Tensor* beta = nullptr;   ///< [C]
  int groups = 32;
  float eps = 1e-5f;
  Act act = Act::kSilu;
};

/// A convolution's input: x, or channels of x then of `concat`, optionally normalised, then
/// optionally enlarged to twice the size (nearest).
struct ConvInput {
  const Tensor* x = nullptr;
  const Tensor* concat = nullptr;
  const InputNorm* norm = nullptr;
  bool upsample2x = false;
};

/// Fusions that a backend can do inside one op; ops.cpp composes plain ops where it says no.
/// kGeGlu is Act::kGeGlu in a linear layer's epilogue, without row bias and residual.
enum class Fusion : uint8_t { kConvConcat, kConvNorm, kConvUpsample, kGeGlu };

/// Columns [first, first + width) of a [B, T, C] tensor: q, k and v may be parts of one product.
struct Columns {
  const Tensor* tensor = nullptr;
  int64_t first = 0;
  int64_t width = 0;
};

struct AttentionParams {
  int heads = 1;
  float scale = 1;
  bool causal = false;
};

/// a * x, a term of a linear combination.
struct Term {
  double a = 1;
  const Tensor* x = nullptr;
};

class Backend {
 public:
  virtual ~Backend() = default;

  /// "cpu avx512" and the like, for -v and the recipe.
  virtual std::string description() const = 0;
  virtual MemoryResource& memory() = 0;
  virtual DType param_dtype() const { return DType::kF32; }
  virtual bool fuses(Fusion, const PackedWeight&) const { return false; }

  // Loading. `compute` is the type of the activations the weight will meet.
  /// weight [O, I, k, k], bias [O] or absent.
  virtual PackedWeightPtr pack_conv2d(const WeightView& weight, const WeightView& bias,
                                      const Conv2dParams& params, DType compute) = 0;
  /// weights [O_i, I] stacked along O (q, k and v as one product); biases absent or one each.
  virtual PackedWeightPtr pack_linear(std::span<const WeightView> weights,
                                      std::span<const WeightView> biases, DType compute) = 0;
  /// A parameter in param_dtype(): norm weights, embedding tables. Owned by the backend's memory.
  virtual Tensor constant(const WeightView& view) = 0;

  // Between host and device, with conversion. Host side is f32, contiguous, same element order.
  virtual void upload(const float* host, Tensor& y) = 0;
  /// x of an activation type, or f64: sums.
  virtual void download(const Tensor& x, float* host) = 0;

  // Operations.
  /// input [B, H, W, I] -> y [B, H', W', O]
  virtual void conv2d(const ConvInput& input, const PackedWeight& w, const Conv2dParams& params,
                      const Epilogue& epilogue, Tensor& y) = 0;
  /// x [..., I] -> y [..., O], or [..., O / 2] with Act::kGeGlu; row_bias needs x [B, T, I] or
  /// [B, I].
  virtual void linear(const Tensor& x, const PackedWeight& w, const Epilogue& epilogue,
                      Tensor& y) = 0;
  /// x [B, H, W, C] (or [B, T, C]), biased variance over each group. y may alias x.
  virtual void group_norm(const Tensor& x, const InputNorm& norm, Tensor& y) = 0;
  /// Over the last dimension. y may alias x.
  virtual void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps,
                          Tensor& y) = 0;
  /// x [..., 2C] -> y [..., C] = x[:C] * gelu(x[C:]), exact gelu.
  virtual void geglu(const Tensor& x, Tensor& y) = 0;
  /// q [B, Tq, heads*D], k and v [B, Tk, heads*D] -> y [B, Tq, heads*D]: softmax(scale q k^T) v
  /// per head, never storing the whole score matrix.
  virtual void attention(const Columns& q, const Columns& k, const Columns& v,
                         const AttentionParams& params, Tensor& y) = 0;
  /// y = act(x). y may alias x.
  virtual void activation(const Tensor& x, Act act, Tensor& y) = 0;
  /// y = sum of a_i x_i, summed in f32 in order, the factors rounded to f32. Up to 8 terms of any
  /// activation type and equal shape; y may alias any.
  virtual void lincomb(std::span<const Term> terms, Tensor& y) = 0;
  /// y = mask * a + (1 - mask) * b: mask f32 [1, H, W, 1], a and b and y [B, H, W, C] of one type,
  /// exactly a where mask is 1 and exactly b where it is 0. y may alias a or b.
  virtual void blend(const Tensor& mask, const Tensor& a, const Tensor& b, Tensor& y) = 0;
  /// Nearest, to y's height and width: source index floor(dst * in / out).
  virtual void upsample_nearest(const Tensor& x, Tensor& y) = 0;
  /// Along the last dimension.
  virtual void concat(const Tensor& a, const Tensor& b, Tensor& y) = 0;
  /// y [B, T, C] = table[ids[b, t]] + positions[t]; ids are host values, checked.
  virtual void embed(std::span<const int32_t> ids, const Tensor& table, const Tensor& positions,
                     Tensor& y) = 0;
  /// y [1] f64 = sum of x_i^2; x of any activation type.
  virtual void sum_of_squares(const Tensor& x, Tensor& y) = 0;

  /// A step of a sampling loop has been asked for: the next one is much like it. A device that
  /// works while the host goes on may use it as a place to let the host wait.
  virtual void end_of_step() {}
};

struct BackendOptions {
  /// Weights take memory only while an operation uses them: on the CPU those of mapped files leave
  /// the process's memory after each use, on a GPU they lie in the host's and are copied for each.
  /// Results are the same, to the bit.
  bool low_memory = false;
};

/// The CPU backend at the best instruction set of this machine (DEDIT_MAX_ISA caps it).
std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options = {});

/// The GPUs that can be used, in the driver's order.
struct GpuList {
  struct Gpu {
    int index = 0;  ///< the driver's
    std::string description;
  };
  std::vector<Gpu> usable;
  std::string problem;  ///< why there are none, half a sentence
};
// Defined in builds with CUDA only (src/backend/devices.h chooses).
GpuList find_gpus();
/// On the driver's GPU `index`. Throws Error(kOther) with the driver's words.
std::unique_ptr<Backend> make_cuda_backend(int index, const BackendOptions& options = {});

/// Type that bf16-class arithmetic should use here: bf16 where its dot product is faster than f32
/// FMA (AMX; AVX512-BF16 of AMD's Zen 4 and later), else f32. Sentence for -v in `why`.
DType cpu_auto_dtype(std::string& why);

}  // namespace dedit

// ops: what the modules call. Each checks shapes, allocates the result, and calls the backend;
// a fusion that the backend lacks is composed of plain ops here.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "core/pool.h"
#include "core/tensor.h"

#include "dedit/cancel.h"

namespace dedit {

/// Sees each block's output under its diffusers module path; golden tests and --trace use it.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void see(std::string_view module, const Tensor& output) = 0;
};

class TextProducts;  // nn/modules.h

/// One thread's way to compute: passed to every forward.
struct Ctx {
  Backend& backend;
  Pool& pool;
  DType dtype = DType::kF32;  ///< of activations
  Observer* observer = nullptr;
  const CancelToken* cancel = nullptr;  ///< checked before every op
  TextProducts* text = nullptr;         ///< of a run, where cross-attention keeps what it can
};

namespace ops {

/// -> [B, H', W', O]
Tensor conv2d(Ctx&, const ConvInput& input, const PackedWeight&, const Conv2dParams&,
              const Epilogue& = {});
Tensor linear(Ctx&, const Tensor& x, const PackedWeight&, const Epilogue& = {});
Tensor group_norm(Ctx&, const Tensor& x, const InputNorm&);
Tensor layer_norm(Ctx&, const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps);
/// geglu of a linear layer -> [..., O / 2]
Tensor linear_geglu(Ctx&, const Tensor& x, const PackedWeight&);
Tensor attention(Ctx&, const Columns& q, const Columns& k, const Columns& v,
                 const AttentionParams&);
Tensor activation(Ctx&, const Tensor& x, Act);
/// Sum of a_i x_i as `dtype` (default: the first term's type).
Tensor lincomb(Ctx&, std::initializer_list<Term> terms);
Tensor lincomb(Ctx&, std::span<const Term> terms, DType dtype);
/// mask * a + (1 - mask) * b; mask [1, H, W, 1] f32.
Tensor blend(Ctx&, const Tensor& mask, const Tensor& a, const Tensor& b);
Tensor upsample_nearest(Ctx&, const Tensor& x, int64_t height, int64_t width);
Tensor concat(Ctx&, const Tensor& a, const Tensor& b);
/// Along the first dimension.
Tensor stack_rows(Ctx&, std::span<const Tensor> parts);
/// x once after the other until there are `rows` of them, a multiple of its own; x itself if it has
/// as many.
Tensor repeat_rows(Ctx&, const Tensor& x, int64_t rows);
/// x itself if it already has the type.
Tensor convert(Ctx&, const Tensor& x, DType dtype);
Tensor embed(Ctx&, std::span<const int32_t> ids, int64_t batch, const Tensor& table,
             const Tensor& positions);
/// Into y [1], f64.
void sum_of_squares(Ctx&, const Tensor& x, Tensor& y);
Tensor upload(Ctx&, const float* host, const Shape& shape, DType dtype);
std::vector<float> download(Ctx&, const Tensor& x);
/// Host values in NCHW order <-> NHWC tensor.
Tensor upload_nchw(Ctx&, const float* nchw, const Shape& nhwc, DType dtype);
std::vector<float> download_nchw(Ctx&, const Tensor& x);

}  // namespace ops
}  // namespace dedit

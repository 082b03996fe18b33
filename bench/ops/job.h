// One operation of a network on random values, as src/nn would call it.
#pragma once

#include <functional>
#include <vector>

#include "nn/ops.h"
#include "shapes.h"

namespace dedit::bench {

/// Normal values times `scale`, few of them many times over: quick to make, and rich enough for
/// time.
std::vector<float> random_values(int64_t n, float scale);

/// Tensors and weights of an op, and the call. Not to be moved: the call refers to them.
class Job {
 public:
  Job(Ctx& ctx, const OpShape& shape);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  Tensor run() { return call_(); }
  const Tensor& input() const { return x_; }
  size_t weight_bytes() const { return weight_ ? weight_->bytes : 0; }

 private:
  Tensor activations(const Shape& shape);
  Tensor parameters(int64_t n);
  Shape map() const { return {s_.batch, s_.height, s_.width, s_.in}; }
  Shape tokens(int64_t channels) const { return {s_.batch, s_.height * s_.width, channels}; }
  Epilogue epilogue() const;

  void prepare();
  void prepare_conv();
  void prepare_linear();
  void prepare_attention();
  void prepare_norm();
  void prepare_elementwise();

  Ctx& ctx_;
  OpShape s_;
  Tensor x_, other_, residual_, row_bias_, gamma_, beta_;
  InputNorm norm_;
  PackedWeightPtr weight_;
  std::function<Tensor()> call_;
};

}  // namespace dedit::bench

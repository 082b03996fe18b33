#include "job.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

namespace dedit::bench {
namespace {

/// Weights in 16 bits, as checkpoints have them.
WeightView stored(const Shape& shape, float scale) {
  const std::vector<float> values = random_values(shape.numel(), scale);
  const auto owner = std::make_shared<std::vector<Half>>(values.size());
  std::ranges::transform(values, owner->begin(), to_half);
  return {owner->data(), DType::kF16, shape, owner};
}

}  // namespace

std::vector<float> random_values(int64_t n, float scale) {
  constexpr size_t kPeriod = 65521;
  static const std::vector<float> period = [] {
    std::vector<float> v(kPeriod);
    std::mt19937 generator(1);
    std::normal_distribution<float> normal;
    for (float& x : v) x = normal(generator);
    return v;
  }();
  std::vector<float> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i) values[i] = scale * period[i % kPeriod];
  return values;
}

Job::Job(Ctx& ctx, const OpShape& shape) : ctx_(ctx), s_(shape) {
  prepare();
}

void Job::prepare() {
  switch (s_.kind) {
    case Kind::kConv2d:
      return prepare_conv();
    case Kind::kLinear:
      return prepare_linear();
    case Kind::kAttention:
      return prepare_attention();
    case Kind::kGroupNorm:
    case Kind::kLayerNorm:
      return prepare_norm();
    case Kind::kConcat:
    case Kind::kLincomb:
      return prepare_elementwise();
  }
}

Tensor Job::activations(const Shape& shape) {
  return ops::upload(ctx_, random_values(shape.numel(), 1).data(), shape, ctx_.dtype);
}

Tensor Job::parameters(int64_t n) {
  const std::vector<float> host = random_values(n, 1);
  return ctx_.backend.constant({host.data(), DType::kF32, {n}});
}

Epilogue Job::epilogue() const {
  return {s_.row_bias ? &row_bias_ : nullptr, s_.residual ? &residual_ : nullptr, Act::kNone};
}

void Job::prepare_conv() {
  const Conv2dParams p{
      s_.kernel, s_.stride, {s_.pad_before, s_.pad_before, s_.pad_after, s_.pad_after}};
  const int64_t fan_in = s_.in * s_.kernel * s_.kernel;
  const WeightView weight =
      stored({s_.out, s_.in, s_.kernel, s_.kernel}, 1 / std::sqrt(float(fan_in)));
  weight_ = ctx_.backend.pack_conv2d(weight, stored({s_.out}, 1), p, ctx_.dtype);
  x_ = activations(map());
  if (s_.norm) {
    gamma_ = parameters(s_.in);
    beta_ = parameters(s_.in);
    norm_ = {&gamma_, &beta_, 32, 1e-5f, Act::kSilu};
  }
  if (s_.row_bias) {
    const std::vector<float> values = random_values(s_.out, 1);
    row_bias_ = ops::upload(ctx_, values.data(), {1, s_.out}, ctx_.backend.param_dtype());
  }
  if (s_.residual) residual_ = activations({s_.batch, s_.height, s_.width, s_.out});
  call_ = [this, p] {
    const ConvInput input{&x_, nullptr, s_.norm ? &norm_ : nullptr, s_.upsample};
    return ops::conv2d(ctx_, input, *weight_, p, epilogue());
  };
}

void Job::prepare_linear() {
  const WeightView weight = stored({s_.out, s_.in}, 1 / std::sqrt(float(s_.in)));
  const WeightView offset = stored({s_.out}, 1);
  weight_ = ctx_.backend.pack_linear({&weight, 1}, {&offset, 1}, ctx_.dtype);
  x_ = activations(tokens(s_.in));
  if (s_.residual) residual_ = activations(tokens(s_.out));
  call_ = [this] {
    return s_.geglu ? ops::linear_geglu(ctx_, x_, *weight_)
                    : ops::linear(ctx_, x_, *weight_, epilogue());
  };
}

void Job::prepare_attention() {
  const int64_t n = s_.in;
  const AttentionParams p{int(s_.heads), 1 / std::sqrt(float(n / s_.heads)), false};
  if (s_.queries == s_.keys) {  // q, k, v side by side, as one product leaves them
    x_ = activations({s_.batch, s_.queries, 3 * n});
    call_ = [this, n, p] {
      return ops::attention(ctx_, {&x_, 0, n}, {&x_, n, n}, {&x_, 2 * n, n}, p);
    };
  } else {
    x_ = activations({s_.batch, s_.queries, n});
    other_ = activations({s_.batch, s_.keys, 2 * n});
    call_ = [this, n, p] {
      return ops::attention(ctx_, {&x_, 0, n}, {&other_, 0, n}, {&other_, n, n}, p);
    };
  }
}

void Job::prepare_norm() {
  gamma_ = parameters(s_.in);
  beta_ = parameters(s_.in);
  if (s_.kind == Kind::kLayerNorm) {
    x_ = activations(tokens(s_.in));
    call_ = [this] { return ops::layer_norm(ctx_, x_, gamma_, beta_, 1e-5f); };
  } else {
    x_ = activations(map());
    norm_ = {&gamma_, &beta_, 32, 1e-6f, Act::kNone};
    call_ = [this] { return ops::group_norm(ctx_, x_, norm_); };
  }
}

void Job::prepare_elementwise() {
  const bool joins = s_.kind == Kind::kConcat;
  x_ = activations(map());
  other_ = activations({s_.batch, s_.height, s_.width, joins ? s_.out : s_.in});
  if (joins) {
    call_ = [this] { return ops::concat(ctx_, x_, other_); };
  } else {
    call_ = [this] { return ops::lincomb(ctx_, {Term{1, &x_}, Term{0.5, &other_}}); };
  }
}

}  // namespace dedit::bench

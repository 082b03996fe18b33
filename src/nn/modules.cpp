#include "nn/modules.h"

#include <cmath>

#include "core/assert.h"

namespace dedit {
namespace {

Tensor parameter(const Build& build, const Weights& w, const char* leaf, int64_t size) {
  const WeightView view = w.get(leaf, {size});
  return build.backend ? build.backend->constant(view) : Tensor{};
}

}  // namespace

Conv2d::Conv2d(const Build& build, const Weights& w, int in, int out, const Conv2dParams& p)
    : params(p) {
  const WeightView view = w.get("weight", {out, in, p.kernel, p.kernel});
  const WeightView bias = w.get("bias", {out});
  if (build.backend) weight = build.backend->pack_conv2d(view, bias, p, build.dtype);
}

Linear::Linear(const Build& build, const Weights& w, int in, int out, bool bias)
    : Linear(stacked(build, std::span(&w, 1), in, out, bias)) {}

Linear Linear::stacked(const Build& build, std::span<const Weights> parts, int in, int out_each,
                       bool bias) {
  std::vector<WeightView> weights, biases;
  for (const Weights& w : parts) {
    weights.push_back(w.get("weight", {out_each, in}));
    if (bias) biases.push_back(w.get("bias", {out_each}));
  }
  Linear linear;
  if (build.backend) linear.weight = build.backend->pack_linear(weights, biases, build.dtype);
  return linear;
}

GroupNorm::GroupNorm(const Build& build, const Weights& w, int channels, int n_groups,
                     float epsilon)
    : gamma(parameter(build, w, "weight", channels)),
      beta(parameter(build, w, "bias", channels)),
      groups(n_groups),
      eps(epsilon) {}

LayerNorm::LayerNorm(const Build& build, const Weights& w, int channels, float epsilon)
    : gamma(parameter(build, w, "weight", channels)),
      beta(parameter(build, w, "bias", channels)),
      eps(epsilon) {}

const Tensor& TextProducts::of(Ctx& ctx, const Attention& attention, const Tensor& context) {
  Entry& entry = entries_[&attention];
  if (!entry.context || entry.context.raw() != context.raw() ||
      !(entry.context.shape() == context.shape())) {
    entry = {context, attention.to_kv(ctx, context)};
  }
  return entry.product;
}

Attention::Attention(const Build& build, const Weights& w, const Options& o) : options(o) {
  const int n = o.width;
  if (o.context_width == 0) {
    const Weights parts[] = {w / "to_q", w / "to_k", w / "to_v"};
    to_qkv = Linear::stacked(build, parts, n, n, o.qkv_bias);
  } else {
    const Weights parts[] = {w / "to_k", w / "to_v"};
    to_q = Linear(build, w / "to_q", n, n, o.qkv_bias);
    to_kv = Linear::stacked(build, parts, o.context_width, n, o.qkv_bias);
  }
  to_out = Linear(build, w / "to_out" / 0, n, n);
}

Tensor Attention::operator()(Ctx& ctx, const Tensor& x, const Tensor* context,
                             const Tensor& residual, int64_t identity_rows) const {
  const int64_t n = options.width;
  const AttentionParams params{
      .heads = options.heads, .scale = 1.0f / std::sqrt(float(n / options.heads)), .causal = false};
  Tensor mixed;  // [B, T, n]
  if (context) {
    const Tensor q = to_q(ctx, x);  // [B, T, n]; kv is [B, T', 2n]
    const Tensor kv = ctx.text ? ctx.text->of(ctx, *this, *context) : to_kv(ctx, *context);
    mixed = ops::attention(ctx, {&q, 0, n}, {&kv, 0, n}, {&kv, n, n}, params);
  } else {
    const Tensor qkv = to_qkv(ctx, x);  // [B, T, 3n]
    const auto mix = [&](const Tensor& t) {
      return ops::attention(ctx, {&t, 0, n}, {&t, n, n}, {&t, 2 * n, n}, params);
    };
    if (identity_rows == 0) {
      mixed = mix(qkv);
    } else {
      DEDIT_ASSERT(identity_rows < x.dim(0));
      const int64_t rows = x.dim(0) - identity_rows, tokens = x.dim(1);
      const Tensor apart =
          qkv.rows(rows, identity_rows).reshape({identity_rows * tokens, 1, 3 * n});
      const Tensor parts[] = {mix(qkv.rows(0, rows)),
                              mix(apart).reshape({identity_rows, tokens, n})};
      mixed = ops::stack_rows(ctx, parts);
    }
  }
  return to_out(ctx, mixed, {.residual = &residual});
}

FeedForward::FeedForward(const Build& build, const Weights& w, int width)
    : proj(build, w / "net" / 0 / "proj", width, 8 * width),
      out(build, w / "net" / 2, 4 * width, width) {}

Tensor FeedForward::operator()(Ctx& ctx, const Tensor& x, Tensor&& residual) const {
  return out(ctx, ops::linear_geglu(ctx, x, *proj.weight),
             {.residual = &residual, .into_residual = true});
}

std::vector<float> timestep_features(std::span<const double> timesteps, int width,
                                     bool flip_sin_to_cos, double freq_shift) {
  const int half = width / 2;
  std::vector<float> features(timesteps.size() * size_t(width), 0.0f);  // an odd last one stays 0
  for (size_t n = 0; n < timesteps.size(); ++n) {
    float* row = features.data() + n * size_t(width);
    for (int i = 0; i < half; ++i) {
      // f32 throughout, as the reference: the exponent's rounding shows in the angle.
      const float exponent = float(-std::log(10000.0)) * float(i) / float(half - freq_shift);
      const float angle = float(timesteps[n]) * std::exp(exponent);
      row[i + (flip_sin_to_cos ? half : 0)] = std::sin(angle);
      row[i + (flip_sin_to_cos ? 0 : half)] = std::cos(angle);
    }
  }
  return features;
}

TimestepEmbedding::TimestepEmbedding(const Build& build, const Weights& w, int features, int width)
    : linear_1(build.in_param_dtype(), w / "linear_1", features, width),
      linear_2(build.in_param_dtype(), w / "linear_2", width, width) {}

Tensor TimestepEmbedding::operator()(Ctx& ctx, const Tensor& x) const {
  return linear_2(ctx, linear_1(ctx, x, {.act = Act::kSilu}));
}

}  // namespace dedit

// Modules: the layers that networks are made of. Plain structs of packed weights, built from a
// scoped view of a checkpoint and called like functions. Names are diffusers'.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/checkpoint.h"
#include "nn/ops.h"

namespace dedit {

/// What a module is built with: where its weights go and in which type it will compute. Without a
/// backend, modules only ask for their tensors, so that a checkpoint is checked before any of it
/// is packed.
struct Build {
  Backend* backend = nullptr;
  DType dtype = DType::kF32;

  /// The same with the type of parameters: for what runs once per step on a few numbers.
  Build in_param_dtype() const { return {backend, backend ? backend->param_dtype() : DType::kF32}; }
};

/// Tells the observer, if there is one.
inline void observe(const Ctx& ctx, const std::string& module, const Tensor& output) {
  if (ctx.observer) ctx.observer->see(module, output);
}

struct Conv2d {
  Conv2d() = default;
  Conv2d(const Build&, const Weights&, int in, int out, const Conv2dParams& = {});
  static Conv2dParams pointwise() { return {.kernel = 1, .stride = 1, .pad = {0, 0, 0, 0}}; }

  /// x [B, H, W, in] -> [B, H', W', out]
  Tensor operator()(Ctx& ctx, const Tensor& x, const Epilogue& epilogue = {}) const {
    return ops::conv2d(ctx, {.x = &x}, *weight, params, epilogue);
  }
  Tensor operator()(Ctx& ctx, const ConvInput& x, const Epilogue& epilogue = {}) const {
    return ops::conv2d(ctx, x, *weight, params, epilogue);
  }

  Conv2dParams params;
  PackedWeightPtr weight;
};

struct Linear {
  Linear() = default;
  Linear(const Build&, const Weights&, int in, int out, bool bias = true);
  /// Several layers of one input as one product: their outputs stand side by side.
  static Linear stacked(const Build&, std::span<const Weights> parts, int in, int out_each,
                        bool bias);

  /// x [..., in] -> [..., out]
  Tensor operator()(Ctx& ctx, const Tensor& x, const Epilogue& epilogue = {}) const {
    return ops::linear(ctx, x, *weight, epilogue);
  }

  PackedWeightPtr weight;
};

struct GroupNorm {
  GroupNorm() = default;
  GroupNorm(const Build&, const Weights&, int channels, int groups, float eps);

  Tensor operator()(Ctx& ctx, const Tensor& x, Act act = Act::kNone) const {
    return ops::group_norm(ctx, x, then(act));
  }
  /// As the norm on a convolution's input.
  InputNorm then(Act act) const { return {&gamma, &beta, groups, eps, act}; }

  Tensor gamma, beta;  // [C]
  int groups = 32;
  float eps = 1e-5f;
};

struct LayerNorm {
  LayerNorm() = default;
  LayerNorm(const Build&, const Weights&, int channels, float eps = 1e-5f);

  Tensor operator()(Ctx& ctx, const Tensor& x) const {
    return ops::layer_norm(ctx, x, gamma, beta, eps);
  }

  Tensor gamma, beta;  // [C]
  float eps = 1e-5f;
};

struct Attention;

/// Keys and values of the text states, which stay the same from step to step of a run.
class TextProducts {
 public:
  /// to_kv(context), computed again only for another tensor than the last time.
  const Tensor& of(Ctx& ctx, const Attention& attention, const Tensor& context);

 private:
  struct Entry {
    Tensor context;  // held, so that its address is not another tensor's later
    Tensor product;
  };
  std::map<const Attention*, Entry> entries_;
};

/// Multi-head attention with its output projection. Without a context width it attends to itself.
struct Attention {
  struct Options {
    int width = 0;
    int context_width = 0;  ///< 0: self-attention
    int heads = 1;
    bool qkv_bias = false;
  };
  Attention() = default;
  Attention(const Build&, const Weights&, const Options&);

  /// x [B, T, width], context [B, T', context_width] or null; residual is added to the result. In
  /// the last `identity_rows` rows of self-attention each token attends to itself alone.
  Tensor operator()(Ctx& ctx, const Tensor& x, const Tensor* context, const Tensor& residual,
                    int64_t identity_rows = 0) const;

  Options options;
  Linear to_qkv;  // self-attention: q, k, v side by side
  Linear to_q;    // cross-attention
  Linear to_kv;
  Linear to_out;
};

/// Transformer feed-forward: width -> 2 * 4 * width, GEGLU, -> width. Shazeer 2020
/// (arXiv:2002.05202); the gate is the second half, its gelu the exact one.
struct FeedForward {
  FeedForward() = default;
  FeedForward(const Build&, const Weights&, int width);
  /// The result takes the residual's memory.
  Tensor operator()(Ctx& ctx, const Tensor& x, Tensor&& residual) const;

  Linear proj, out;
};

/// Sinusoidal timestep features [n, width] in f32: cosines first where `flip_sin_to_cos`.
/// Ho et al. 2020 (arXiv:2006.11239); diffusers get_timestep_embedding.
std::vector<float> timestep_features(std::span<const double> timesteps, int width,
                                     bool flip_sin_to_cos, double freq_shift);

/// Features -> linear, SiLU, linear.
struct TimestepEmbedding {
  TimestepEmbedding() = default;
  TimestepEmbedding(const Build&, const Weights&, int features, int width);
  /// [n, features] -> [n, width]
  Tensor operator()(Ctx& ctx, const Tensor& x) const;

  Linear linear_1, linear_2;
};

}  // namespace dedit

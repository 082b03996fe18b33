// Blocks: what U-Nets and autoencoders are built of. Names are diffusers'.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/modules.h"

namespace dedit {

/// GN, SiLU, conv, (+ time), GN, SiLU, conv, + shortcut.
struct ResnetBlock2D {
  struct Options {
    int in = 0;
    int out = 0;
    int time_width = 0;  ///< 0: no time embedding (autoencoders)
    int groups = 32;
    float eps = 1e-5f;
  };
  ResnetBlock2D(const Build&, const Weights&, const Options&);
  /// x [B, H, W, in]; temb [1 or B, time_width], already through SiLU (once a step, not once a
  /// block), or null -> [B, H, W, out]
  Tensor operator()(Ctx& ctx, const Tensor& x, const Tensor* temb) const;

  std::string name;
  GroupNorm norm1, norm2;
  Conv2d conv1, conv2;
  std::optional<Linear> time_emb_proj;
  std::optional<Conv2d> conv_shortcut;
};

/// Self-attention, cross-attention, feed-forward, each after a layer norm, each residual.
struct BasicTransformerBlock {
  BasicTransformerBlock(const Build&, const Weights&, int width, int context_width, int heads);
  /// x [B, T, width] or one row for several of context's -> as many rows as context has
  Tensor operator()(Ctx& ctx, const Tensor& x, const Tensor& context,
                    int64_t identity_rows = 0) const;

  LayerNorm norm1, norm2, norm3;
  Attention attn1, attn2;
  FeedForward ff;
};

/// Spatial transformer: GN (eps 1e-6), in, blocks, out, residual.
struct Transformer2D {
  struct Options {
    int width = 0;
    int context_width = 0;
    int heads = 8;
    int layers = 1;
    int groups = 32;
    bool linear_projection = false;
  };
  Transformer2D(const Build&, const Weights&, const Options&);
  /// x [B, H, W, width], context [B, T, context_width]; identity_rows as in Attention. Where x has
  /// fewer rows, they are taken for all of context's, and told apart from the first
  /// cross-attention on: what comes before it is computed once.
  Tensor operator()(Ctx& ctx, const Tensor& x, const Tensor& context,
                    int64_t identity_rows = 0) const;

  std::string name;
  GroupNorm norm;
  // A 1x1 convolution and a linear layer are the same product on NHWC maps.
  Linear proj_in, proj_out;
  std::vector<BasicTransformerBlock> blocks;
};

/// Stride-2 convolution. `asymmetric`: pads bottom and right only, as autoencoders do.
struct Downsample2D {
  Downsample2D(const Build&, const Weights&, int channels, bool asymmetric);
  Tensor operator()(Ctx& ctx, const Tensor& x) const;
  std::string name;
  Conv2d conv;
};

/// Nearest to the given size (twice the input's unless a skip connection is odd), convolution.
struct Upsample2D {
  Upsample2D(const Build&, const Weights&, int channels);
  Tensor operator()(Ctx& ctx, const Tensor& x, int64_t height, int64_t width) const;
  std::string name;
  Conv2d conv;
};

/// Single-head attention over a map, as in autoencoders' middle: GN, q k v with bias, residual.
struct SpatialAttention {
  SpatialAttention(const Build&, const Weights&, int channels, int groups, float eps);
  Tensor operator()(Ctx& ctx, const Tensor& x) const;
  GroupNorm group_norm;
  Attention attention;
};

}  // namespace dedit

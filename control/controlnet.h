// ControlNetModel: a trainable copy of the U-Net's encoder that sees a hint and answers with
// residuals through zero-initialised convolutions. Zhang et al. 2023 (arXiv:2302.05543). Module
// names are diffusers'.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/unet.h"

namespace dedit {

/// Hint picture -> features at latent size, stride 8 in three steps.
struct ControlNetConditioningEmbedding {
  ControlNetConditioningEmbedding(const Build&, const Weights&, const UNetConfig&);
  /// hint [B, H, W, 3] in [0, 1] -> [B, H/8, W/8, c0]
  Tensor operator()(Ctx&, const Tensor& hint) const;

  Conv2d conv_in;
  std::vector<Conv2d> blocks;
  Conv2d conv_out;
};

struct ControlNetModel {
  ControlNetModel(const Build&, const Weights&, const UNetConfig&);

  /// The hint's features; they do not depend on the step, so a run computes them once.
  Tensor embed_hint(Ctx& ctx, const Tensor& hint) const { return embedding(ctx, hint); }

  /// x [B, h, w, C] or one row for several of the text states' [B, T, C], as the U-Net takes it,
  /// hint features [1 or x's rows, h, w, c0] -> residuals [B, h', w', C'] for every encoder block
  /// and the middle one, not scaled.
  ControlResiduals operator()(Ctx&, const Tensor& x, std::span<const double> timesteps,
                              const Conditioning&, const Tensor& hint_features) const;

  UNetEncoder encoder;
  ControlNetConditioningEmbedding embedding;
  std::vector<std::pair<std::string, Linear>> zero_convs;  // by the block they answer for
  Linear mid_zero_conv;
};

/// Adds `scale` times a block's residual to the sum.
void accumulate(Ctx&, const std::string& block, const Tensor& residual, double scale,
                ControlResiduals& sum);

}  // namespace dedit

// AutoencoderKL: picture <-> latents. Kingma & Welling 2013; Rombach et al. 2022. Module names are
// diffusers'.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/blocks.h"

namespace dedit {

struct VaeConfig {
  int in_channels = 3;
  int out_channels = 3;
  int latent_channels = 4;
  std::vector<int> block_out_channels = {128, 256, 512, 512};
  int layers_per_block = 2;
  int norm_groups = 32;
  bool mid_attention = true;
  bool has_quant_conv = true;
  bool has_post_quant_conv = true;
  double scaling_factor = 0.18215;  ///< SD 1.x and 2.x, ldm v1-inference.yaml
  double shift_factor = 0;

  /// Pixels per latent cell.
  int factor() const { return 1 << (block_out_channels.size() - 1); }
};

VaeConfig parse_vae_config(const std::string& json, const std::string& source);
VaeConfig infer_vae_config(const Component& component);
/// The one that applies. Throws Error(kModel).
VaeConfig vae_config(const Component& component);

/// resnet, attention, resnet, without time.
struct VaeMidBlock {
  VaeMidBlock(const Build&, const Weights&, const VaeConfig&);
  Tensor operator()(Ctx&, const Tensor& x) const;
  std::vector<ResnetBlock2D> resnets;
  std::optional<SpatialAttention> attention;
};

struct VaeEncoder {
  VaeEncoder(const Build&, const Weights&, const VaeConfig&);
  Tensor operator()(Ctx&, const Tensor& x) const;

  struct Level {
    std::vector<ResnetBlock2D> resnets;
    std::optional<Downsample2D> downsampler;
  };
  Conv2d conv_in;
  std::vector<Level> levels;
  VaeMidBlock mid_block;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

struct VaeDecoder {
  VaeDecoder(const Build&, const Weights&, const VaeConfig&);
  Tensor operator()(Ctx&, const Tensor& z) const;

  struct Level {
    std::vector<ResnetBlock2D> resnets;
    std::optional<Upsample2D> upsampler;
  };
  Conv2d conv_in;
  VaeMidBlock mid_block;
  std::vector<Level> levels;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

struct AutoencoderKL {
  AutoencoderKL(const Build&, const Weights&, const VaeConfig&);
  /// x [B, H, W, 3] in [-1, 1], H and W multiples of factor() -> moments [B, h, w, 2 * latent]:
  /// mean, then log-variance (not clamped).
  Tensor encode(Ctx&, const Tensor& x) const;
  /// z [B, h, w, latent], not scaled (divide by scaling_factor first) -> [B, H, W, 3] about [-1,
  /// 1].
  Tensor decode(Ctx&, const Tensor& z) const;

  VaeConfig config;
  VaeEncoder encoder;
  VaeDecoder decoder;
  std::optional<Conv2d> quant_conv, post_quant_conv;
};

}  // namespace dedit

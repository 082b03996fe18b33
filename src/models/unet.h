// UNet2DConditionModel, and the encoder half that ControlNets copy. Rombach et al. 2022
// (arXiv:2112.10752). Module names are diffusers'.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/unet_config.h"
#include "nn/blocks.h"

namespace dedit {

/// What a network is told beside the sample, per branch and row.
struct Conditioning {
  Tensor context;  // [B, T, C] text states, the network's activation type
  Tensor pooled;   // [B, C] pooled text state, for families that use it
  Tensor ids;      // [B, n] size and crop numbers, for families that use them
  /// The last rows whose self-attention in the middle block is the identity: what
  /// perturbed-attention guidance leads away from. Ahn et al. 2024 (arXiv:2403.17377).
  int64_t perturbed_rows = 0;
};

/// What control networks add inside a network, by the name of the block whose output they join.
struct ControlResiduals {
  std::map<std::string, Tensor, std::less<>> by_block;
};

/// An encoder output kept for the decoder.
struct Skip {
  std::string block;  ///< "conv_in", "down_blocks.0.resnets.1", "down_blocks.0.downsamplers.0" ...
  Tensor x;
};

struct DownBlock2D {
  DownBlock2D(const Build&, const Weights&, const UNetConfig&, int level, bool is_last);
  /// Appends every layer's output; returns the last.
  Tensor operator()(Ctx&, Tensor x, const Tensor& temb, const Tensor& context,
                    std::vector<Skip>& skips) const;

  std::string name;
  std::vector<ResnetBlock2D> resnets;
  std::vector<Transformer2D> attentions;  // none, or one per resnet
  std::optional<Downsample2D> downsampler;
};

struct UNetMidBlock2D {
  UNetMidBlock2D(const Build&, const Weights&, const UNetConfig&);
  Tensor operator()(Ctx&, const Tensor& x, const Tensor& temb, const Tensor& context,
                    int64_t perturbed_rows = 0) const;

  std::vector<ResnetBlock2D> resnets;
  std::optional<Transformer2D> attention;
};

struct UpBlock2D {
  UpBlock2D(const Build&, const Weights&, const UNetConfig&, int index);
  /// Consumes the skips of its layers from the back.
  Tensor operator()(Ctx&, Tensor x, const Tensor& temb, const Tensor& context,
                    std::vector<Skip>& skips) const;

  std::vector<ResnetBlock2D> resnets;
  std::vector<Transformer2D> attentions;
  std::optional<Upsample2D> upsampler;
};

/// conv_in, time embedding, down blocks, middle block: what U-Net and ControlNet share.
struct UNetEncoder {
  UNetEncoder(const Build&, const Weights&, const UNetConfig&);
  /// Time embedding through SiLU, [n, time_width] of the backend's parameter type.
  Tensor embed_time(Ctx&, std::span<const double> timesteps) const;
  /// x is conv_in's output (plus the hint's features in a ControlNet). Returns the last block's
  /// output; `skips` gets conv_in's and every layer's.
  Tensor down(Ctx&, const Tensor& x, const Tensor& temb, const Tensor& context,
              std::vector<Skip>& skips) const;

  UNetConfig config;
  Conv2d conv_in;
  TimestepEmbedding time_embedding;
  std::vector<DownBlock2D> down_blocks;
  std::optional<UNetMidBlock2D> mid_block;
};

/// Names and channels of the skips, in order: what a ControlNet must provide residuals for.
std::vector<std::pair<std::string, int>> skip_channels(const UNetConfig& config);

struct UNet2DConditionModel {
  UNet2DConditionModel(const Build&, const Weights&, const UNetConfig&);
  /// x [B, H, W, in_channels] or one row for several of the text states' [B, T, C], timesteps one
  /// for all rows or one each -> raw prediction [B, H, W, out_channels]. Any height and width.
  Tensor operator()(Ctx&, const Tensor& x, std::span<const double> timesteps, const Conditioning&,
                    const ControlResiduals* residuals) const;

  UNetEncoder encoder;
  std::vector<UpBlock2D> up_blocks;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

}  // namespace dedit

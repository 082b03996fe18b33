// UNetConfig: the shape of a UNet2DConditionModel or ControlNetModel, read from config.json or,
// where a layout has none, from the tensors' shapes.
#pragma once

#include <string>
#include <vector>

#include "io/checkpoint.h"

namespace dedit {

struct UNetConfig {
  int in_channels = 4;
  int out_channels = 4;
  std::vector<int> block_out_channels = {320, 640, 1280, 1280};
  std::vector<int> layers_per_block = {2, 2, 2, 2};
  std::vector<bool> down_attention = {true, true, true, false};  ///< CrossAttnDownBlock2D per level
  std::vector<bool> up_attention = {false, true, true, true};    ///< in the order of up_blocks
  bool has_mid_block = true;
  bool mid_attention = true;
  std::vector<int> heads = {8, 8, 8, 8};  ///< config field attention_head_dim: a count, by history
  std::vector<int> transformer_layers = {1, 1, 1, 1};
  int cross_attention_dim = 768;
  int norm_groups = 32;
  double norm_eps = 1e-5;
  bool linear_projection = false;
  bool flip_sin_to_cos = true;
  double freq_shift = 0;
  int sample_size = 64;  ///< latent rows and columns the model was made for

  // ControlNetModel only
  std::vector<int> hint_channels = {16, 32, 96, 256};
  bool hint_is_bgr = false;
  bool pools_residuals = false;  ///< each residual is its mean over all places (shuffle)

  int levels() const { return int(block_out_channels.size()); }
  int time_width() const { return 4 * block_out_channels[0]; }
};

/// Throws Error(kModel) for fields that are malformed or ask for what we do not build.
UNetConfig parse_unet_config(const std::string& json, const std::string& source);
/// From canonical names and shapes of a CompVis file (heads: 8, or 64 wide where the context is
/// 1024 wide). Throws Error(kModel) if the tensors are no U-Net or ControlNet.
UNetConfig infer_unet_config(const Component& component);
/// The one that applies.
UNetConfig unet_config(const Component& component);
/// config.json text of a ControlNet with this shape, as diffusers writes it.
std::string control_config_json(const UNetConfig& config);

}  // namespace dedit

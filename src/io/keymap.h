// Key maps: the tensor names of other layouts -> diffusers' names, which are ours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/weight_view.h"

namespace dedit {

/// Maps the names of one network. The number of levels, of layers in each and of hint convolutions
/// is not fixed; it is read from the names, which must all be given at once. A name that has no
/// place in the target layout stays as it is, so that it is reported as unused.
/// Source: the layouts of CompVis/stable-diffusion and lllyasviel/ControlNet.
///
/// U-Net without `model.diffusion_model.`, ControlNet without `control_model.`:
/// input_blocks.1.0.in_layers.2.weight -> down_blocks.0.resnets.0.conv1.weight.
std::vector<std::string> map_compvis_unet(const std::vector<std::string>& names);
/// VAE without `first_stage_model.`: decoder.up.3.block.0 -> decoder.up_blocks.0.resnets.0.
std::vector<std::string> map_compvis_vae(const std::vector<std::string>& names);

/// Older diffusers names of the VAE's attention: query, key, value, proj_attn.
std::string map_old_diffusers_vae(std::string_view name);
/// transformers 5.6 and later may leave out `text_model.`.
std::string map_clip_text(std::string_view name);
/// The CLIP text model's constant 0, 1, 2 ..., which some files store as a tensor.
bool is_position_ids(std::string_view name);

/// [O, I, 1, 1] -> [O, I] for the VAE's attention (canonical name), which other layouts write as
/// 1x1 convolutions; anything else is returned as it is.
WeightView squeeze_vae_attention(std::string_view name, WeightView view);

}  // namespace dedit

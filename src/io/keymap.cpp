#include "io/keymap.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <span>

#include "core/str.h"

namespace dedit {
namespace {

struct Rename {
  std::string_view from, to;
};

constexpr Rename kResnet[] = {
    {"in_layers.0.", "norm1."},          {"in_layers.2.", "conv1."},
    {"out_layers.0.", "norm2."},         {"out_layers.3.", "conv2."},
    {"emb_layers.1.", "time_emb_proj."}, {"skip_connection.", "conv_shortcut."},
};
constexpr Rename kAttention[] = {
    {"norm.", "norm."},
    {"proj_in.", "proj_in."},
    {"proj_out.", "proj_out."},
    {"transformer_blocks.", "transformer_blocks."},
};
constexpr Rename kUNetTop[] = {
    {"time_embed.0.", "time_embedding.linear_1."},
    {"time_embed.2.", "time_embedding.linear_2."},
    {"input_blocks.0.0.", "conv_in."},
    {"out.0.", "conv_norm_out."},
    {"out.2.", "conv_out."},
    {"middle_block_out.0.", "controlnet_mid_block."},
};
constexpr Rename kVaeResnet[] = {
    {"norm1.", "norm1."},
    {"conv1.", "conv1."},
    {"norm2.", "norm2."},
    {"conv2.", "conv2."},
    {"nin_shortcut.", "conv_shortcut."},
};
constexpr Rename kVaeAttention[] = {
    {"norm.", "group_norm."},   {"q.", "to_q."}, {"k.", "to_k."}, {"v.", "to_v."},
    {"proj_out.", "to_out.0."},
};
constexpr Rename kVaeTop[] = {
    {"conv_in.", "conv_in."},
    {"norm_out.", "conv_norm_out."},
    {"conv_out.", "conv_out."},
};

using Mapped = std::optional<std::string>;

Mapped rename(std::string_view name, std::span<const Rename> table) {
  for (const Rename& r : table) {
    if (name.starts_with(r.from)) return str(r.to, name.substr(r.from.size()));
  }
  return {};
}

Mapped prefixed(const std::string& prefix, const Mapped& rest) {
  if (!rest) return {};
  return prefix + *rest;
}

bool take(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  return true;
}

/// Takes "12." off the front.
bool take_index(std::string_view& name, int& index) {
  const char* const end = name.data() + name.size();
  const auto [next, error] = std::from_chars(name.data(), end, index);
  if (error != std::errc() || index < 0 || next == end || *next != '.') return false;
  name.remove_prefix(size_t(next + 1 - name.data()));
  return true;
}

/// Where entry n of input_blocks or output_blocks lies.
struct Place {
  int level = 0;
  int layer = 0;
};

/// What the names say about a U-Net's depth.
struct UNetPlan {
  std::map<int, Place> input, output;
  int last_hint = 0;
};

/// Counts levels: one ends where `ends_level` is set (by the resampling convolution).
std::map<int, Place> places(const std::map<int, bool>& ends_level) {
  std::map<int, Place> result;
  Place next;
  for (const auto& [index, ends] : ends_level) {
    result[index] = next;
    next = ends ? Place{next.level + 1, 0} : Place{next.level, next.layer + 1};
  }
  return result;
}

UNetPlan plan_unet(const std::vector<std::string>& names) {
  UNetPlan plan;
  std::map<int, bool> input, output;
  for (const std::string_view name : names) {
    std::string_view rest = name;
    int index = 0, module = 0;
    if (take(rest, "input_blocks.") && take_index(rest, index) && take_index(rest, module)) {
      if (index > 0) input[index] |= rest.starts_with("op.");
    }
    rest = name;
    if (take(rest, "output_blocks.") && take_index(rest, index) && take_index(rest, module)) {
      output[index] |= rest.starts_with("conv.");
    }
    rest = name;
    if (take(rest, "input_hint_block.") && take_index(rest, index)) {
      plan.last_hint = std::max(plan.last_hint, index);
    }
  }
  plan.input = places(input);
  plan.output = places(output);
  return plan;
}

/// Module 0 of a block is its resnet, module 1 its attention.
Mapped map_layer(const std::string& block, int module, int layer, std::string_view rest) {
  if (module == 0) return prefixed(str(block, "resnets.", layer, "."), rename(rest, kResnet));
  if (module != 1) return {};
  return prefixed(str(block, "attentions.", layer, "."), rename(rest, kAttention));
}

Mapped map_block(std::string_view rest, const std::map<int, Place>& plan, bool is_down) {
  int index = 0, module = 0;
  if (!take_index(rest, index) || !take_index(rest, module)) return {};
  const auto found = plan.find(index);
  if (found == plan.end()) return {};
  const auto [level, layer] = found->second;
  const std::string block = str(is_down ? "down_blocks." : "up_blocks.", level, ".");
  if (is_down && take(rest, "op.")) return str(block, "downsamplers.0.conv.", rest);
  if (!is_down && rest.starts_with("conv.")) return str(block, "upsamplers.0.", rest);
  return map_layer(block, module, layer, rest);
}

/// The middle block: resnet, attention, resnet.
Mapped map_middle(std::string_view rest) {
  int module = 0;
  if (!take_index(rest, module)) return {};
  if (module == 2) return map_layer("mid_block.", 0, 1, rest);
  return map_layer("mid_block.", module, 0, rest);
}

/// Convolutions 0, 2, 4 ... with activations between: the first, the blocks, the last.
Mapped map_hint(std::string_view rest, int last) {
  int index = 0;
  if (!take_index(rest, index) || index % 2 != 0) return {};
  const std::string scope = "controlnet_cond_embedding.";
  if (index == 0) return str(scope, "conv_in.", rest);
  if (index == last) return str(scope, "conv_out.", rest);
  return str(scope, "blocks.", index / 2 - 1, ".", rest);
}

Mapped map_zero_conv(std::string_view rest) {
  int index = 0;
  if (!take_index(rest, index) || !take(rest, "0.")) return {};
  return str("controlnet_down_blocks.", index, ".", rest);
}

Mapped map_unet_name(std::string_view name, const UNetPlan& plan) {
  if (const Mapped top = rename(name, kUNetTop)) return top;
  if (take(name, "input_blocks.")) return map_block(name, plan.input, /*is_down=*/true);
  if (take(name, "output_blocks.")) return map_block(name, plan.output, /*is_down=*/false);
  if (take(name, "middle_block.")) return map_middle(name);
  if (take(name, "input_hint_block.")) return map_hint(name, plan.last_hint);
  if (take(name, "zero_convs.")) return map_zero_conv(name);
  return {};
}

Mapped map_vae_middle(const std::string& scope, std::string_view rest) {
  if (take(rest, "block_1.")) return prefixed(scope + "resnets.0.", rename(rest, kVaeResnet));
  if (take(rest, "block_2.")) return prefixed(scope + "resnets.1.", rename(rest, kVaeResnet));
  if (take(rest, "attn_1.")) return prefixed(scope + "attentions.0.", rename(rest, kVaeAttention));
  return {};
}

Mapped map_vae_block(const std::string& block, std::string_view rest) {
  if (take(rest, "downsample.")) return str(block, "downsamplers.0.", rest);
  if (take(rest, "upsample.")) return str(block, "upsamplers.0.", rest);
  int layer = 0;
  if (!take(rest, "block.") || !take_index(rest, layer)) return {};
  return prefixed(str(block, "resnets.", layer, "."), rename(rest, kVaeResnet));
}

Mapped map_vae_name(std::string_view name, int last_up) {
  const std::string side = name.starts_with("encoder.") ? "encoder." : "decoder.";
  if (!take(name, side)) return {};
  if (const Mapped top = prefixed(side, rename(name, kVaeTop))) return top;
  if (take(name, "mid.")) return map_vae_middle(side + "mid_block.", name);
  int level = 0;
  if (take(name, "down.") && take_index(name, level)) {
    return map_vae_block(str(side, "down_blocks.", level, "."), name);
  }
  if (take(name, "up.") && take_index(name, level)) {  // counted from the top there
    return map_vae_block(str(side, "up_blocks.", last_up - level, "."), name);
  }
  return {};
}

}  // namespace

std::vector<std::string> map_compvis_unet(const std::vector<std::string>& names) {
  const UNetPlan plan = plan_unet(names);
  std::vector<std::string> mapped;
  for (const std::string& name : names) {
    mapped.push_back(map_unet_name(name, plan).value_or(name));
  }
  return mapped;
}

std::vector<std::string> map_compvis_vae(const std::vector<std::string>& names) {
  int last_up = 0;
  for (std::string_view name : names) {
    int level = 0;
    if (take(name, "decoder.up.") && take_index(name, level)) last_up = std::max(last_up, level);
  }
  std::vector<std::string> mapped;
  for (const std::string& name : names) {
    mapped.push_back(map_vae_name(name, last_up).value_or(name));
  }
  return mapped;
}

std::string map_old_diffusers_vae(std::string_view name) {
  constexpr Rename kOld[] = {
      {"query.", "to_q."}, {"key.", "to_k."}, {"value.", "to_v."}, {"proj_attn.", "to_out.0."}};
  constexpr std::string_view kScope = ".mid_block.attentions.0.";
  const size_t at = name.find(kScope);
  if (at == name.npos) return std::string(name);
  const std::string_view scope = name.substr(0, at + kScope.size());
  return prefixed(std::string(scope), rename(name.substr(scope.size()), kOld))
      .value_or(std::string(name));
}

std::string map_clip_text(std::string_view name) {
  for (const std::string_view part : {"embeddings.", "encoder.", "final_layer_norm."}) {
    if (name.starts_with(part)) return str("text_model.", name);
  }
  return std::string(name);
}

bool is_position_ids(std::string_view name) {
  return name.ends_with("embeddings.position_ids");
}

WeightView squeeze_vae_attention(std::string_view name, WeightView view) {
  const bool is_projection = name.find(".mid_block.attentions.0.to_") != name.npos;
  const Shape& s = view.shape;
  if (is_projection && s.rank() == 4 && s[2] == 1 && s[3] == 1) view.shape = {s[0], s[1]};
  return view;
}

}  // namespace dedit

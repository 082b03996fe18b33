#include "models/unet_config.h"

#include <algorithm>

#include "models/config_json.h"

namespace dedit {
namespace {

// Which blocks have attention, from their class names.
std::vector<bool> attention_blocks(const ConfigReader& config, const char* field, int levels,
                                   const std::string& plain, const std::string& with_attention,
                                   const std::vector<bool>& otherwise) {
  std::vector<std::string> names;
  for (bool attention : otherwise) names.push_back(attention ? with_attention : plain);
  names = config.texts(field, names);
  if (int(names.size()) != levels)
    config.fail(str("field \"", field, "\" does not fit the levels"));
  std::vector<bool> blocks;
  for (const std::string& name : names) {
    if (name != plain && name != with_attention) {
      config.fail(str("asks for a block of type ", name, ", which is not supported"));
    }
    blocks.push_back(name == with_attention);
  }
  return blocks;
}

void read_mid_block(const ConfigReader& config, UNetConfig& c) {
  const bool is_null = config.raw("mid_block_type").is_null();
  const std::string type = config.text("mid_block_type", "");
  c.has_mid_block = !is_null;
  c.mid_attention = type == "UNetMidBlock2DCrossAttn";
  if (!is_null && !c.mid_attention && type != "UNetMidBlock2D") {
    config.fail(str("asks for a middle block of type ", type, ", which is not supported"));
  }
}

// Options of the reference that change the network; none occurs in the families we run.
void refuse_unknown_options(const ConfigReader& config) {
  for (const char* field :
       {"class_embed_type", "addition_embed_type", "time_cond_proj_dim", "encoder_hid_dim",
        "encoder_hid_dim_type", "timestep_post_act", "time_embedding_act_fn", "num_class_embeds",
        "time_embedding_dim", "reverse_transformer_layers_per_block", "num_attention_heads",
        "cross_attention_norm"}) {
    config.require_plain(field, nullptr);
  }
  config.require_plain("act_fn", "silu");
  config.require_plain("center_input_sample", false);
  config.require_plain("resnet_time_scale_shift", "default");
  config.require_plain("resnet_skip_time_act", false);
  config.require_plain("resnet_out_scale_factor", 1.0);
  config.require_plain("time_embedding_type", "positional");
  config.require_plain("conv_in_kernel", 3);
  config.require_plain("conv_out_kernel", 3);
  config.require_plain("downsample_padding", 1);
  config.require_plain("dual_cross_attention", false);
  config.require_plain("mid_block_scale_factor", 1);
  config.require_plain("mid_block_only_cross_attention", nullptr);
  config.require_plain("class_embeddings_concat", false);
  config.require_plain("attention_type", "default");
  if (config.has("only_cross_attention")) {
    const auto& value = config.raw("only_cross_attention");
    const bool any = value.is_boolean()
                         ? value.get<bool>()
                         : std::any_of(value.begin(), value.end(), [](const auto& v) {
                             return !v.is_boolean() || v.template get<bool>();
                           });
    if (any) config.fail("asks for only_cross_attention, which is not supported");
  }
}

void check_divisibility(const ConfigReader& config, const UNetConfig& c) {
  if (c.norm_groups < 1 || c.cross_attention_dim < 1 || c.in_channels < 1 || c.out_channels < 1) {
    config.fail("has a size below 1");
  }
  for (int i = 0; i < c.levels(); ++i) {
    const int n = c.block_out_channels[size_t(i)], heads = c.heads[size_t(i)];
    if (n < 1 || n % c.norm_groups != 0) {
      config.fail(str("has ", n, " channels, not a multiple of ", c.norm_groups, " norm groups"));
    }
    if (heads < 1 || n % heads != 0) {
      config.fail(str("has ", n, " channels, not a multiple of ", heads, " heads"));
    }
    if (c.layers_per_block[size_t(i)] < 1 || c.transformer_layers[size_t(i)] < 1) {
      config.fail("has a block without layers");
    }
  }
}

int64_t dim(const Component& c, const std::string& name, int i) {
  const auto it = c.tensors.find(name);
  if (it == c.tensors.end() || it->second.shape.rank() <= (i < 0 ? -i - 1 : i)) return 0;
  return it->second.shape[i];
}

// How many of prefix0suffix, prefix1suffix ... there are.
int count(const Component& c, const std::string& prefix, const std::string& suffix) {
  int n = 0;
  while (c.tensors.count(str(prefix, n, suffix))) ++n;
  return n;
}

}  // namespace

UNetConfig parse_unet_config(const std::string& json, const std::string& source) {
  const ConfigReader config(json, source);
  refuse_unknown_options(config);
  UNetConfig c;
  c.in_channels = config.integer("in_channels", 4);
  c.out_channels = config.integer("out_channels", 4);
  c.block_out_channels = config.integers("block_out_channels", c.block_out_channels);
  const size_t levels = c.block_out_channels.size();
  std::vector<bool> down(levels, true), up(levels, true);
  down.back() = false;
  up.front() = false;
  c.down_attention = attention_blocks(config, "down_block_types", int(levels), "DownBlock2D",
                                      "CrossAttnDownBlock2D", down);
  c.up_attention = attention_blocks(config, "up_block_types", int(levels), "UpBlock2D",
                                    "CrossAttnUpBlock2D", up);
  c.layers_per_block = config.integers("layers_per_block", levels, 2);
  c.heads = config.integers("attention_head_dim", levels, 8);
  c.transformer_layers = config.integers("transformer_layers_per_block", levels, 1);
  c.cross_attention_dim = config.integer("cross_attention_dim", 1280);
  c.norm_groups = config.integer("norm_num_groups", 32);
  c.norm_eps = config.real("norm_eps", 1e-5);
  c.linear_projection = config.flag("use_linear_projection", false);
  c.flip_sin_to_cos = config.flag("flip_sin_to_cos", true);
  c.freq_shift = config.real("freq_shift", 0);
  c.sample_size = config.integer("sample_size", 64);
  c.hint_channels = config.integers("conditioning_embedding_out_channels", c.hint_channels);
  const std::string order = config.text("controlnet_conditioning_channel_order", "rgb");
  if (order != "rgb" && order != "bgr") config.fail(str("has an unknown channel order ", order));
  c.hint_is_bgr = order == "bgr";
  c.pools_residuals = config.flag("global_pool_conditions", false);
  const auto object = nlohmann::json::parse(json);
  if (object.contains("mid_block_type")) read_mid_block(config, c);
  check_divisibility(config, c);
  return c;
}

UNetConfig infer_unet_config(const Component& u) {
  UNetConfig c;
  c.block_out_channels.clear();
  c.layers_per_block.clear();
  c.down_attention.clear();
  c.transformer_layers.clear();
  const int levels = count(u, "down_blocks.", ".resnets.0.conv1.weight");
  for (int i = 0; i < levels; ++i) {
    const std::string block = str("down_blocks.", i);
    c.block_out_channels.push_back(int(dim(u, block + ".resnets.0.conv1.weight", 0)));
    c.layers_per_block.push_back(count(u, block + ".resnets.", ".conv1.weight"));
    const std::string attention = block + ".attentions.0";
    c.down_attention.push_back(u.tensors.count(attention + ".norm.weight") > 0);
    c.transformer_layers.push_back(
        std::max(1, count(u, attention + ".transformer_blocks.", ".norm1.weight")));
  }
  const std::string mid = "mid_block.attentions.0";
  if (levels > 0) {  // the middle block is as deep as the last level
    c.transformer_layers.back() =
        std::max(1, count(u, mid + ".transformer_blocks.", ".norm1.weight"));
  }
  c.in_channels = int(dim(u, "conv_in.weight", 1));
  const bool is_control = u.tensors.count("controlnet_mid_block.weight") > 0;
  c.out_channels = is_control ? c.in_channels : int(dim(u, "conv_out.weight", 0));
  c.cross_attention_dim = int(dim(u, mid + ".transformer_blocks.0.attn2.to_k.weight", 1));
  if (levels == 0 || levels > 16 || c.in_channels < 1 || c.cross_attention_dim < 1) {
    throw Error(ErrorKind::kModel, str(u.source, ": its tensors are not those of a U-Net"),
                "a Stable Diffusion 1.x checkpoint or a ControlNet for one is expected");
  }
  const auto at = u.tensors.find(mid + ".proj_in.weight");
  c.linear_projection = at != u.tensors.end() && at->second.shape.rank() == 2;
  c.up_attention.clear();
  c.heads.clear();
  for (int i = 0; i < levels; ++i) {
    c.up_attention.push_back(c.down_attention[size_t(levels - 1 - i)]);
    const bool is_sd2 = c.cross_attention_dim == 1024;
    c.heads.push_back(is_sd2 ? c.block_out_channels[size_t(i)] / 64 : 8);
  }
  if (is_control) {
    c.hint_channels = {int(dim(u, "controlnet_cond_embedding.conv_in.weight", 0))};
    // blocks.1, .3, .5 ... change the width
    for (int i = 1; u.tensors.count(str("controlnet_cond_embedding.blocks.", i, ".weight"));
         i += 2) {
      c.hint_channels.push_back(
          int(dim(u, str("controlnet_cond_embedding.blocks.", i, ".weight"), 0)));
    }
  }
  for (int i = 0; i < levels; ++i) {
    const int n = c.block_out_channels[size_t(i)];
    if (n < 1 || n % c.norm_groups != 0 || n % c.heads[size_t(i)] != 0 || c.heads[size_t(i)] < 1) {
      throw Error(ErrorKind::kModel, str(u.source, ": level ", i, " has ", n,
                                         " channels, which is ", "no Stable Diffusion width"));
    }
  }
  return c;
}

UNetConfig unet_config(const Component& component) {
  return component.config_json.empty() ? infer_unet_config(component)
                                       : parse_unet_config(component.config_json, component.source);
}

std::string control_config_json(const UNetConfig& c) {
  nlohmann::ordered_json j;
  j["_class_name"] = "ControlNetModel";
  j["act_fn"] = "silu";
  j["attention_head_dim"] = c.heads;
  j["block_out_channels"] = c.block_out_channels;
  j["conditioning_embedding_out_channels"] = c.hint_channels;
  j["controlnet_conditioning_channel_order"] = c.hint_is_bgr ? "bgr" : "rgb";
  j["cross_attention_dim"] = c.cross_attention_dim;
  std::vector<std::string> down;
  for (bool attention : c.down_attention) {
    down.push_back(attention ? "CrossAttnDownBlock2D" : "DownBlock2D");
  }
  j["down_block_types"] = down;
  j["downsample_padding"] = 1;
  j["flip_sin_to_cos"] = c.flip_sin_to_cos;
  j["freq_shift"] = int(c.freq_shift);
  j["in_channels"] = c.in_channels;
  j["layers_per_block"] = c.layers_per_block[0];
  j["mid_block_scale_factor"] = 1;
  j["mid_block_type"] = c.mid_attention ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D";
  j["norm_eps"] = c.norm_eps;
  j["norm_num_groups"] = c.norm_groups;
  j["transformer_layers_per_block"] = c.transformer_layers;
  j["use_linear_projection"] = c.linear_projection;
  return j.dump(2) + "\n";
}

}  // namespace dedit

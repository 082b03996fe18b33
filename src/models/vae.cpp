#include "models/vae.h"

#include "models/config_json.h"

namespace dedit {
namespace {

constexpr float kEps = 1e-6f;  // of every norm in the autoencoder, unlike the U-Net's 1e-5

ResnetBlock2D::Options resnet_options(const VaeConfig& c, int in, int out) {
  return {.in = in, .out = out, .time_width = 0, .groups = c.norm_groups, .eps = kEps};
}

int64_t dim(const Component& c, const std::string& name, int i) {
  const auto it = c.tensors.find(name);
  return it == c.tensors.end() || it->second.shape.rank() <= i ? 0 : it->second.shape[i];
}

int count(const Component& c, const std::string& prefix, const std::string& suffix) {
  int n = 0;
  while (c.tensors.count(str(prefix, n, suffix))) ++n;
  return n;
}

void check(const VaeConfig& c, const std::string& source) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::kModel, str(source, ": the autoencoder ", what));
  };
  if (c.in_channels != 3 || c.out_channels != 3) fail("is not for RGB pictures");
  if (c.latent_channels < 1 || c.layers_per_block < 1 || c.norm_groups < 1) {
    fail("has a size below 1");
  }
  for (int n : c.block_out_channels) {
    if (n < 1 || n % c.norm_groups != 0) {
      fail(str("has ", n, " channels, not a multiple of ", c.norm_groups, " norm groups"));
    }
  }
  if (!(c.scaling_factor > 0)) fail("has a scaling factor that is not positive");
}

}  // namespace

VaeConfig parse_vae_config(const std::string& json, const std::string& source) {
  const ConfigReader config(json, source);
  VaeConfig c;
  c.in_channels = config.integer("in_channels", 3);
  c.out_channels = config.integer("out_channels", 3);
  c.latent_channels = config.integer("latent_channels", 4);
  c.block_out_channels = config.integers("block_out_channels", std::vector<int>{64});
  c.layers_per_block = config.integer("layers_per_block", 1);
  c.norm_groups = config.integer("norm_num_groups", 32);
  c.mid_attention = config.flag("mid_block_add_attention", true);
  c.has_quant_conv = config.flag("use_quant_conv", true);
  c.has_post_quant_conv = config.flag("use_post_quant_conv", true);
  c.scaling_factor = config.real("scaling_factor", 0.18215);
  c.shift_factor = config.real("shift_factor", 0);
  config.require_plain("act_fn", "silu");
  config.require_plain("latents_mean", nullptr);
  config.require_plain("latents_std", nullptr);
  for (const std::string& t : config.texts("down_block_types", {"DownEncoderBlock2D"})) {
    if (t != "DownEncoderBlock2D") config.fail(str("asks for a block of type ", t));
  }
  for (const std::string& t : config.texts("up_block_types", {"UpDecoderBlock2D"})) {
    if (t != "UpDecoderBlock2D") config.fail(str("asks for a block of type ", t));
  }
  check(c, source);
  return c;
}

VaeConfig infer_vae_config(const Component& v) {
  VaeConfig c;
  const int levels = count(v, "encoder.down_blocks.", ".resnets.0.conv1.weight");
  if (levels == 0 || levels > 16) {
    throw Error(ErrorKind::kModel, str(v.source, ": its tensors are not those of an autoencoder"));
  }
  c.block_out_channels.clear();
  for (int i = 0; i < levels; ++i) {
    c.block_out_channels.push_back(
        int(dim(v, str("encoder.down_blocks.", i, ".resnets.0.conv1.weight"), 0)));
  }
  c.layers_per_block = count(v, "encoder.down_blocks.0.resnets.", ".conv1.weight");
  c.in_channels = int(dim(v, "encoder.conv_in.weight", 1));
  c.out_channels = int(dim(v, "decoder.conv_out.weight", 0));
  c.latent_channels = int(dim(v, "decoder.conv_in.weight", 1));
  c.mid_attention = v.tensors.count("encoder.mid_block.attentions.0.to_q.weight") > 0;
  c.has_quant_conv = v.tensors.count("quant_conv.weight") > 0;
  c.has_post_quant_conv = v.tensors.count("post_quant_conv.weight") > 0;
  check(c, v.source);
  return c;
}

VaeConfig vae_config(const Component& component) {
  return component.config_json.empty() ? infer_vae_config(component)
                                       : parse_vae_config(component.config_json, component.source);
}

VaeMidBlock::VaeMidBlock(const Build& build, const Weights& w, const VaeConfig& c) {
  const int n = c.block_out_channels.back();
  for (int i = 0; i < 2; ++i)
    resnets.emplace_back(build, w / "resnets" / i, resnet_options(c, n, n));
  if (c.mid_attention) attention.emplace(build, w / "attentions" / 0, n, c.norm_groups, kEps);
}

Tensor VaeMidBlock::operator()(Ctx& ctx, const Tensor& x) const {
  Tensor h = resnets[0](ctx, x, nullptr);
  if (attention) h = (*attention)(ctx, h);
  return resnets[1](ctx, h, nullptr);
}

VaeEncoder::VaeEncoder(const Build& build, const Weights& w, const VaeConfig& c)
    : conv_in(build, w / "conv_in", c.in_channels, c.block_out_channels[0]),
      mid_block(build, w / "mid_block", c),
      conv_norm_out(build, w / "conv_norm_out", c.block_out_channels.back(), c.norm_groups, kEps),
      conv_out(build, w / "conv_out", c.block_out_channels.back(), 2 * c.latent_channels) {
  int in = c.block_out_channels[0];
  const int n_levels = int(c.block_out_channels.size());
  for (int i = 0; i < n_levels; ++i) {
    const Weights block = w / "down_blocks" / i;
    const int out = c.block_out_channels[size_t(i)];
    Level& level = levels.emplace_back();
    for (int j = 0; j < c.layers_per_block; ++j) {
      level.resnets.emplace_back(build, block / "resnets" / j, resnet_options(c, in, out));
      in = out;
    }
    if (i + 1 < n_levels) {
      level.downsampler.emplace(build, block / "downsamplers" / 0, out, /*asymmetric=*/true);
    }
  }
}

Tensor VaeEncoder::operator()(Ctx& ctx, const Tensor& x) const {
  Tensor h = conv_in(ctx, x);
  for (const Level& level : levels) {
    for (const ResnetBlock2D& resnet : level.resnets) h = resnet(ctx, h, nullptr);
    if (level.downsampler) h = (*level.downsampler)(ctx, h);
  }
  h = mid_block(ctx, h);
  const InputNorm norm = conv_norm_out.then(Act::kSilu);
  return conv_out(ctx, {.x = &h, .norm = &norm});
}

VaeDecoder::VaeDecoder(const Build& build, const Weights& w, const VaeConfig& c)
    : conv_in(build, w / "conv_in", c.latent_channels, c.block_out_channels.back()),
      mid_block(build, w / "mid_block", c),
      conv_norm_out(build, w / "conv_norm_out", c.block_out_channels[0], c.norm_groups, kEps),
      conv_out(build, w / "conv_out", c.block_out_channels[0], c.out_channels) {
  int in = c.block_out_channels.back();
  const int n_levels = int(c.block_out_channels.size());
  for (int i = 0; i < n_levels; ++i) {
    const Weights block = w / "up_blocks" / i;
    const int out = c.block_out_channels[size_t(n_levels - 1 - i)];
    Level& level = levels.emplace_back();
    for (int j = 0; j < c.layers_per_block + 1; ++j) {
      level.resnets.emplace_back(build, block / "resnets" / j, resnet_options(c, in, out));
      in = out;
    }
    if (i + 1 < n_levels) level.upsampler.emplace(build, block / "upsamplers" / 0, out);
  }
}

Tensor VaeDecoder::operator()(Ctx& ctx, const Tensor& z) const {
  Tensor h = conv_in(ctx, z);
  h = mid_block(ctx, h);
  for (const Level& level : levels) {
    for (const ResnetBlock2D& resnet : level.resnets) h = resnet(ctx, h, nullptr);
    if (level.upsampler) h = (*level.upsampler)(ctx, h, 2 * h.dim(1), 2 * h.dim(2));
  }
  const InputNorm norm = conv_norm_out.then(Act::kSilu);
  return conv_out(ctx, {.x = &h, .norm = &norm});
}

AutoencoderKL::AutoencoderKL(const Build& build, const Weights& w, const VaeConfig& c)
    : config(c), encoder(build, w / "encoder", c), decoder(build, w / "decoder", c) {
  const int n = c.latent_channels;
  if (c.has_quant_conv) {
    quant_conv.emplace(build, w / "quant_conv", 2 * n, 2 * n, Conv2d::pointwise());
  }
  if (c.has_post_quant_conv) {
    post_quant_conv.emplace(build, w / "post_quant_conv", n, n, Conv2d::pointwise());
  }
}

Tensor AutoencoderKL::encode(Ctx& ctx, const Tensor& x) const {
  Tensor h = encoder(ctx, x);
  if (quant_conv) h = (*quant_conv)(ctx, h);
  observe(ctx, "moments", h);
  return h;
}

Tensor AutoencoderKL::decode(Ctx& ctx, const Tensor& z) const {
  Tensor h = post_quant_conv ? (*post_quant_conv)(ctx, z) : z;
  h = decoder(ctx, h);
  observe(ctx, "decoded", h);
  return h;
}

}  // namespace dedit

#include "models/unet.h"

#include "core/str.h"

namespace dedit {
namespace {

Transformer2D::Options transformer_options(const UNetConfig& c, int level) {
  return {.width = c.block_out_channels[size_t(level)],
          .context_width = c.cross_attention_dim,
          .heads = c.heads[size_t(level)],
          .layers = c.transformer_layers[size_t(level)],
          .groups = c.norm_groups,
          .linear_projection = c.linear_projection};
}

ResnetBlock2D::Options resnet_options(const UNetConfig& c, int in, int out) {
  return {.in = in,
          .out = out,
          .time_width = c.time_width(),
          .groups = c.norm_groups,
          .eps = float(c.norm_eps)};
}

// x + its residual, where a control network has one for this block.
void add_residual(Ctx& ctx, const ControlResiduals& residuals, const std::string& block,
                  Tensor& x) {
  const auto it = residuals.by_block.find(block);
  if (it != residuals.by_block.end()) x = ops::lincomb(ctx, {{1, &x}, {1, &it->second}});
}

}  // namespace

DownBlock2D::DownBlock2D(const Build& build, const Weights& w, const UNetConfig& c, int level,
                         bool is_last)
    : name(str("down_blocks.", level)) {
  const int out = c.block_out_channels[size_t(level)];
  const int in = level == 0 ? out : c.block_out_channels[size_t(level - 1)];
  for (int i = 0; i < c.layers_per_block[size_t(level)]; ++i) {
    resnets.emplace_back(build, w / "resnets" / i, resnet_options(c, i == 0 ? in : out, out));
    if (c.down_attention[size_t(level)]) {
      attentions.emplace_back(build, w / "attentions" / i, transformer_options(c, level));
    }
  }
  if (!is_last) downsampler.emplace(build, w / "downsamplers" / 0, out, /*asymmetric=*/false);
}

Tensor DownBlock2D::operator()(Ctx& ctx, Tensor x, const Tensor& temb, const Tensor& context,
                               std::vector<Skip>& skips) const {
  for (size_t i = 0; i < resnets.size(); ++i) {
    x = resnets[i](ctx, x, &temb);
    if (!attentions.empty()) x = attentions[i](ctx, x, context);
    skips.push_back({str(name, ".resnets.", i), x});
  }
  if (downsampler) {
    x = (*downsampler)(ctx, x);
    skips.push_back({name + ".downsamplers.0", x});
  }
  return x;
}

UNetMidBlock2D::UNetMidBlock2D(const Build& build, const Weights& w, const UNetConfig& c) {
  const int n = c.block_out_channels.back();
  resnets.emplace_back(build, w / "resnets" / 0, resnet_options(c, n, n));
  if (!c.mid_attention) return;  // the reference then builds a single resnet
  attention.emplace(build, w / "attentions" / 0, transformer_options(c, c.levels() - 1));
  resnets.emplace_back(build, w / "resnets" / 1, resnet_options(c, n, n));
}

Tensor UNetMidBlock2D::operator()(Ctx& ctx, const Tensor& x, const Tensor& temb,
                                  const Tensor& context, int64_t perturbed_rows) const {
  Tensor h = resnets[0](ctx, x, &temb);
  if (!attention) return h;
  h = (*attention)(ctx, h, context, perturbed_rows);
  return resnets[1](ctx, h, &temb);
}

UpBlock2D::UpBlock2D(const Build& build, const Weights& w, const UNetConfig& c, int index) {
  const int level = c.levels() - 1 - index;
  const auto channels = [&](int l) { return c.block_out_channels[size_t(l)]; };
  const int out = channels(level);
  const int below = index == 0 ? out : channels(level + 1);          // what comes up
  const int skip_of_first = level == 0 ? out : channels(level - 1);  // the encoder's last skip here
  const int layers = c.layers_per_block[size_t(level)] + 1;
  for (int i = 0; i < layers; ++i) {
    const int skip = i == layers - 1 ? skip_of_first : out;
    const int in = (i == 0 ? below : out) + skip;
    resnets.emplace_back(build, w / "resnets" / i, resnet_options(c, in, out));
    if (c.up_attention[size_t(index)]) {
      attentions.emplace_back(build, w / "attentions" / i, transformer_options(c, level));
    }
  }
  if (level > 0) upsampler.emplace(build, w / "upsamplers" / 0, out);
}

Tensor UpBlock2D::operator()(Ctx& ctx, Tensor x, const Tensor& temb, const Tensor& context,
                             std::vector<Skip>& skips) const {
  for (size_t i = 0; i < resnets.size(); ++i) {
    const Tensor joined = ops::concat(ctx, x, skips.back().x);
    skips.pop_back();
    x = resnets[i](ctx, joined, &temb);
    if (!attentions.empty()) x = attentions[i](ctx, x, context);
  }
  if (upsampler) {
    // The size of the next skip: twice x's, or one less where the picture did not divide evenly.
    const Tensor& next = skips.back().x;
    x = (*upsampler)(ctx, x, next.dim(1), next.dim(2));
  }
  return x;
}

UNetEncoder::UNetEncoder(const Build& build, const Weights& w, const UNetConfig& c)
    : config(c),
      conv_in(build, w / "conv_in", c.in_channels, c.block_out_channels[0]),
      time_embedding(build, w / "time_embedding", c.block_out_channels[0], c.time_width()) {
  for (int i = 0; i < c.levels(); ++i) {
    down_blocks.emplace_back(build, w / "down_blocks" / i, c, i, i == c.levels() - 1);
  }
  if (c.has_mid_block) mid_block.emplace(build, w / "mid_block", c);
}

Tensor UNetEncoder::embed_time(Ctx& ctx, std::span<const double> timesteps) const {
  const int width = config.block_out_channels[0];
  const std::vector<float> features =
      timestep_features(timesteps, width, config.flip_sin_to_cos, config.freq_shift);
  const Tensor x = ops::upload(ctx, features.data(), {int64_t(timesteps.size()), width},
                               ctx.backend.param_dtype());
  return ops::activation(ctx, time_embedding(ctx, x), Act::kSilu);
}

Tensor UNetEncoder::down(Ctx& ctx, const Tensor& x, const Tensor& temb, const Tensor& context,
                         std::vector<Skip>& skips) const {
  skips.push_back({"conv_in", x});
  Tensor h = x;
  for (const DownBlock2D& block : down_blocks) h = block(ctx, h, temb, context, skips);
  return h;
}

std::vector<std::pair<std::string, int>> skip_channels(const UNetConfig& c) {
  std::vector<std::pair<std::string, int>> skips = {{"conv_in", c.block_out_channels[0]}};
  for (int i = 0; i < c.levels(); ++i) {
    const int n = c.block_out_channels[size_t(i)];
    for (int j = 0; j < c.layers_per_block[size_t(i)]; ++j) {
      skips.emplace_back(str("down_blocks.", i, ".resnets.", j), n);
    }
    if (i + 1 < c.levels()) skips.emplace_back(str("down_blocks.", i, ".downsamplers.0"), n);
  }
  return skips;
}

UNet2DConditionModel::UNet2DConditionModel(const Build& build, const Weights& w,
                                           const UNetConfig& c)
    : encoder(build, w, c),
      conv_norm_out(build, w / "conv_norm_out", c.block_out_channels[0], c.norm_groups,
                    float(c.norm_eps)),
      conv_out(build, w / "conv_out", c.block_out_channels[0], c.out_channels) {
  for (int i = 0; i < c.levels(); ++i) up_blocks.emplace_back(build, w / "up_blocks" / i, c, i);
}

Tensor UNet2DConditionModel::operator()(Ctx& ctx, const Tensor& x,
                                        std::span<const double> timesteps,
                                        const Conditioning& conditioning,
                                        const ControlResiduals* residuals) const {
  const Tensor temb = encoder.embed_time(ctx, timesteps);
  std::vector<Skip> skips;
  Tensor h = encoder.conv_in(ctx, x);
  observe(ctx, "conv_in", h);
  h = encoder.down(ctx, h, temb, conditioning.context, skips);
  // Residuals join the skips after all of the encoder, and the middle block's output after it.
  const int64_t rows = conditioning.context.dim(0);
  for (Skip& skip : skips) {
    skip.x = ops::repeat_rows(ctx, skip.x, rows);
    if (residuals) add_residual(ctx, *residuals, skip.block, skip.x);
  }
  if (encoder.mid_block) {
    h = (*encoder.mid_block)(ctx, h, temb, conditioning.context, conditioning.perturbed_rows);
  }
  h = ops::repeat_rows(ctx, h, rows);
  observe(ctx, "mid_block", h);
  if (residuals) add_residual(ctx, *residuals, "mid_block", h);
  for (const UpBlock2D& block : up_blocks) h = block(ctx, h, temb, conditioning.context, skips);
  const InputNorm norm = conv_norm_out.then(Act::kSilu);
  h = conv_out(ctx, {.x = &h, .norm = &norm});
  observe(ctx, "conv_out", h);
  return h;
}

}  // namespace dedit

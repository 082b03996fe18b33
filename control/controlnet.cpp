#include "controlnet.h"

#include "core/str.h"

namespace dedit {
namespace {

// A 1x1 convolution as the same product on NHWC maps.
Linear zero_conv(const Build& build, const Weights& w, int channels) {
  WeightView view = w.get("weight", {channels, channels, 1, 1});
  const WeightView bias = w.get("bias", {channels});
  view.shape = {channels, channels};
  Linear linear;
  if (build.backend) {
    linear.weight = build.backend->pack_linear({&view, 1}, {&bias, 1}, build.dtype);
  }
  return linear;
}

}  // namespace

ControlNetConditioningEmbedding::ControlNetConditioningEmbedding(const Build& build,
                                                                 const Weights& w,
                                                                 const UNetConfig& c)
    : conv_in(build, w / "conv_in", 3, c.hint_channels[0]),
      conv_out(build, w / "conv_out", c.hint_channels.back(), c.block_out_channels[0]) {
  for (size_t i = 0; i + 1 < c.hint_channels.size(); ++i) {
    const int in = c.hint_channels[i], out = c.hint_channels[i + 1];
    blocks.emplace_back(build, w / "blocks" / int64_t(2 * i), in, in);
    blocks.emplace_back(build, w / "blocks" / int64_t(2 * i + 1), in, out,
                        Conv2dParams{.kernel = 3, .stride = 2, .pad = {1, 1, 1, 1}});
  }
}

Tensor ControlNetConditioningEmbedding::operator()(Ctx& ctx, const Tensor& hint) const {
  Tensor h = conv_in(ctx, hint, {.act = Act::kSilu});
  for (const Conv2d& block : blocks) h = block(ctx, h, {.act = Act::kSilu});
  h = conv_out(ctx, h);
  observe(ctx, "controlnet_cond_embedding", h);
  return h;
}

ControlNetModel::ControlNetModel(const Build& build, const Weights& w, const UNetConfig& c)
    : encoder(build, w, c), embedding(build, w / "controlnet_cond_embedding", c) {
  const auto skips = skip_channels(c);
  for (size_t i = 0; i < skips.size(); ++i) {
    zero_convs.emplace_back(
        skips[i].first,
        zero_conv(build, w / "controlnet_down_blocks" / int64_t(i), skips[i].second));
  }
  mid_zero_conv = zero_conv(build, w / "controlnet_mid_block", c.block_out_channels.back());
}

ControlResiduals ControlNetModel::operator()(Ctx& ctx, const Tensor& x,
                                             std::span<const double> timesteps,
                                             const Conditioning& conditioning,
                                             const Tensor& hint_features) const {
  const Tensor temb = encoder.embed_time(ctx, timesteps);
  Tensor features = hint_features;
  if (features.dim(0) != x.dim(0)) {  // one map for all rows
    const std::vector<Tensor> copies(size_t(x.dim(0)), hint_features);
    features = ops::stack_rows(ctx, copies);
  }
  std::vector<Skip> skips;
  Tensor h = encoder.conv_in(ctx, x, {.residual = &features});
  h = encoder.down(ctx, h, temb, conditioning.context, skips);
  if (encoder.mid_block) h = (*encoder.mid_block)(ctx, h, temb, conditioning.context);

  ControlResiduals residuals;
  const int64_t rows = conditioning.context.dim(0);
  for (size_t i = 0; i < skips.size(); ++i) {
    Tensor r = ops::repeat_rows(ctx, zero_convs[i].second(ctx, skips[i].x), rows);
    observe(ctx, str("controlnet_down_blocks.", i), r);
    residuals.by_block.emplace(skips[i].block, r);
  }
  Tensor mid = ops::repeat_rows(ctx, mid_zero_conv(ctx, h), rows);
  observe(ctx, "controlnet_mid_block", mid);
  residuals.by_block.emplace("mid_block", mid);
  return residuals;
}

void accumulate(Ctx& ctx, const std::string& block, const Tensor& residual, double scale,
                ControlResiduals& sum) {
  const auto it = sum.by_block.find(block);
  if (it == sum.by_block.end()) {
    sum.by_block.emplace(block, scale == 1 ? residual : ops::lincomb(ctx, {{scale, &residual}}));
  } else {
    it->second = ops::lincomb(ctx, {{1, &it->second}, {scale, &residual}});
  }
}

}  // namespace dedit

#include "nn/blocks.h"

namespace dedit {
namespace {

// A scope without its trailing dot: the module's path.
std::string module_path(const Weights& w) {
  std::string s = w.scope();
  if (!s.empty()) s.pop_back();
  return s;
}

// [B, H, W, C] as tokens [B, H*W, C]; free on NHWC maps.
Tensor as_tokens(const Tensor& x) {
  return x.reshape({x.dim(0), x.dim(1) * x.dim(2), x.dim(3)});
}

// Transformers' projections are 1x1 convolutions in some checkpoints; the product is the same.
Linear projection(const Build& build, const Weights& w, int width, bool is_linear) {
  if (is_linear) return Linear(build, w, width, width);
  WeightView view = w.get("weight", {width, width, 1, 1});
  const WeightView bias = w.get("bias", {width});
  view.shape = {width, width};
  Linear linear;
  if (build.backend) {
    linear.weight = build.backend->pack_linear({&view, 1}, {&bias, 1}, build.dtype);
  }
  return linear;
}

}  // namespace

ResnetBlock2D::ResnetBlock2D(const Build& build, const Weights& w, const Options& o)
    : name(module_path(w)),
      norm1(build, w / "norm1", o.in, o.groups, o.eps),
      norm2(build, w / "norm2", o.out, o.groups, o.eps),
      conv1(build, w / "conv1", o.in, o.out),
      conv2(build, w / "conv2", o.out, o.out) {
  if (o.time_width > 0) {
    time_emb_proj.emplace(build.in_param_dtype(), w / "time_emb_proj", o.time_width, o.out);
  }
  if (o.in != o.out) {
    conv_shortcut.emplace(build, w / "conv_shortcut", o.in, o.out, Conv2d::pointwise());
  }
}

Tensor ResnetBlock2D::operator()(Ctx& ctx, const Tensor& x, const Tensor* temb) const {
  Tensor time;  // [1 or B, out]: joins conv1's bias instead of costing a pass over the map
  if (time_emb_proj) time = (*time_emb_proj)(ctx, *temb);
  const InputNorm in1 = norm1.then(Act::kSilu), in2 = norm2.then(Act::kSilu);
  Tensor h = conv1(ctx, {.x = &x, .norm = &in1}, {.row_bias = time ? &time : nullptr});
  const Tensor shortcut = conv_shortcut ? (*conv_shortcut)(ctx, x) : x;
  h = conv2(ctx, {.x = &h, .norm = &in2},
            {.residual = &shortcut, .into_residual = conv_shortcut.has_value()});
  observe(ctx, name, h);
  return h;
}

BasicTransformerBlock::BasicTransformerBlock(const Build& build, const Weights& w, int width,
                                             int context_width, int heads)
    : norm1(build, w / "norm1", width),
      norm2(build, w / "norm2", width),
      norm3(build, w / "norm3", width),
      attn1(build, w / "attn1", {.width = width, .heads = heads}),
      attn2(build, w / "attn2", {.width = width, .context_width = context_width, .heads = heads}),
      ff(build, w / "ff", width) {}

Tensor BasicTransformerBlock::operator()(Ctx& ctx, const Tensor& x, const Tensor& context,
                                         int64_t identity_rows) const {
  const int64_t rows = context.dim(0);
  Tensor h = identity_rows > 0 ? ops::repeat_rows(ctx, x, rows) : x;
  h = attn1(ctx, norm1(ctx, h), nullptr, h, identity_rows);
  h = ops::repeat_rows(ctx, h, rows);
  h = attn2(ctx, norm2(ctx, h), &context, h);
  return ff(ctx, norm3(ctx, h), std::move(h));
}

Transformer2D::Transformer2D(const Build& build, const Weights& w, const Options& o)
    : name(module_path(w)),
      norm(build, w / "norm", o.width, o.groups, 1e-6f),
      proj_in(projection(build, w / "proj_in", o.width, o.linear_projection)),
      proj_out(projection(build, w / "proj_out", o.width, o.linear_projection)) {
  for (int i = 0; i < o.layers; ++i) {
    blocks.emplace_back(build, w / "transformer_blocks" / i, o.width, o.context_width, o.heads);
  }
}

Tensor Transformer2D::operator()(Ctx& ctx, const Tensor& x, const Tensor& context,
                                 int64_t identity_rows) const {
  Tensor h = proj_in(ctx, as_tokens(norm(ctx, x)));
  for (const BasicTransformerBlock& block : blocks) h = block(ctx, h, context, identity_rows);
  const Tensor residual = ops::repeat_rows(ctx, x, h.dim(0));
  const Tensor tokens = as_tokens(residual);
  h = proj_out(ctx, h, {.residual = &tokens}).reshape(residual.shape());
  observe(ctx, name, h);
  return h;
}

Downsample2D::Downsample2D(const Build& build, const Weights& w, int channels, bool asymmetric)
    : name(module_path(w)),
      conv(build, w / "conv", channels, channels,
           {.kernel = 3,
            .stride = 2,
            .pad = asymmetric ? Conv2dParams::Pad{0, 0, 1, 1} : Conv2dParams::Pad{1, 1, 1, 1}}) {}

Tensor Downsample2D::operator()(Ctx& ctx, const Tensor& x) const {
  Tensor y = conv(ctx, x);
  observe(ctx, name, y);
  return y;
}

Upsample2D::Upsample2D(const Build& build, const Weights& w, int channels)
    : name(module_path(w)), conv(build, w / "conv", channels, channels) {}

Tensor Upsample2D::operator()(Ctx& ctx, const Tensor& x, int64_t height, int64_t width) const {
  Tensor y;
  if (height == 2 * x.dim(1) && width == 2 * x.dim(2)) {
    y = conv(ctx, {.x = &x, .upsample2x = true});
  } else {
    y = conv(ctx, ops::upsample_nearest(ctx, x, height, width));
  }
  observe(ctx, name, y);
  return y;
}

SpatialAttention::SpatialAttention(const Build& build, const Weights& w, int channels, int groups,
                                   float eps)
    : group_norm(build, w / "group_norm", channels, groups, eps),
      attention(build, w, {.width = channels, .heads = 1, .qkv_bias = true}) {}

Tensor SpatialAttention::operator()(Ctx& ctx, const Tensor& x) const {
  const Tensor normed = as_tokens(group_norm(ctx, x));
  return attention(ctx, normed, nullptr, as_tokens(x)).reshape(x.shape());
}

}  // namespace dedit

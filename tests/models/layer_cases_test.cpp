// The reference's own tests of layers (tests/data/layers): inputs and torch's default weights come
// from one seeded generator, in the order in which the reference builds its modules.
#include <cmath>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "core/str.h"
#include "io/checkpoint.h"
#include "nn/blocks.h"

namespace dedit {
namespace {

/// A context and the generator, which inputs and weights are drawn from.
class Bench {
 public:
  Tensor randn(const Shape& nchw) {
    std::vector<float> values(size_t(nchw.numel()));
    generator_.randn(values);
    if (nchw.rank() != 4) return ops::upload(ctx, values.data(), nchw, DType::kF32);
    const Shape nhwc = {nchw[0], nchw[2], nchw[3], nchw[1]};
    return ops::upload_nchw(ctx, values.data(), nhwc, DType::kF32);
  }
  /// Time embeddings go through SiLU before the blocks.
  Tensor time(int64_t rows) { return ops::activation(ctx, randn({rows, 128}), Act::kSilu); }
  void seed(uint64_t value) { generator_ = TorchCpuGenerator(value); }

  void norm(const std::string& name, int channels) {
    add(name + ".weight", {channels}, std::vector<float>(size_t(channels), 1.0f));
    add(name + ".bias", {channels}, std::vector<float>(size_t(channels), 0.0f));
  }
  void linear(const std::string& name, int in, int out, bool bias = true) {
    uniform(name + ".weight", {out, in}, in);
    if (bias) uniform(name + ".bias", {out}, in);
  }
  void conv(const std::string& name, int in, int out, int kernel = 3) {
    uniform(name + ".weight", {out, in, kernel, kernel}, in * kernel * kernel);
    uniform(name + ".bias", {out}, in * kernel * kernel);
  }
  void resnet(const std::string& name, int in, int out, bool has_time = true) {
    norm(name + ".norm1", in);
    conv(name + ".conv1", in, out);
    if (has_time) linear(name + ".time_emb_proj", 128, out);
    norm(name + ".norm2", out);
    conv(name + ".conv2", out, out);
    if (in != out) conv(name + ".conv_shortcut", in, out, 1);
  }
  /// Without cross-attention its weights are 0, drawn from nothing: it then adds nothing.
  void transformer(const std::string& name, int width, bool has_cross = true) {
    norm(name + ".norm", width);
    conv(name + ".proj_in", width, width, 1);
    const std::string block = name + ".transformer_blocks.0";
    for (const char* n : {".norm1", ".norm2", ".norm3"}) norm(block + n, width);
    for (const char* n : {".attn1", ".attn2"}) {
      const bool is_drawn = has_cross || n[5] == '1';
      for (const char* part : {".to_q", ".to_k", ".to_v", ".to_out.0"}) {
        const std::string leaf = block + n + part;
        if (is_drawn) {
          linear(leaf, width, width, part[4] == 'o');
          continue;
        }
        add(leaf + ".weight", {width, width}, std::vector<float>(size_t(width) * size_t(width)));
        add(leaf + ".bias", {width}, std::vector<float>(size_t(width)));
      }
    }
    linear(block + ".ff.net.0.proj", width, 8 * width);
    linear(block + ".ff.net.2", 4 * width, width);
    conv(name + ".proj_out", width, width, 1);
  }
  void spatial_attention(const std::string& name, int width) {
    norm(name + ".group_norm", width);
    for (const char* part : {".to_q", ".to_k", ".to_v", ".to_out.0"}) {
      linear(name + part, width, width);
    }
  }

  Weights weights(const std::string& name) {
    Weights scoped = component_.weights();
    size_t begin = 0;
    for (size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', begin)) {
      scoped = scoped / name.substr(begin, dot - begin);
      begin = dot + 1;
    }
    return scoped / name.substr(begin);
  }
  Build build() const { return {backend_.get(), DType::kF32}; }

 private:
  void uniform(const std::string& name, const Shape& shape, int fan_in) {
    std::vector<float> values(size_t(shape.numel()));
    generator_.rand(values);
    const auto most = float(1 / std::sqrt(double(fan_in)));
    for (float& v : values) v = v * (most - -most) - most;
    add(name, shape, std::move(values));
  }
  void add(const std::string& name, const Shape& shape, std::vector<float> values) {
    data_.push_back(std::move(values));
    component_.tensors[name] = {.data = data_.back().data(), .dtype = DType::kF32, .shape = shape};
  }

  TorchCpuGenerator generator_{0};
  std::deque<std::vector<float>> data_;
  Component component_;
  std::unique_ptr<Backend> backend_ = make_cpu_backend();
  Pool pool_{backend_->memory()};

 public:
  Ctx ctx{.backend = *backend_, .pool = pool_};
};

ResnetBlock2D make_resnet(Bench& b, const std::string& name, int in, int out, float eps,
                          bool has_time = true) {
  b.resnet(name, in, out, has_time);
  return {b.build(),
          b.weights(name),
          {.in = in, .out = out, .time_width = has_time ? 128 : 0, .groups = 32, .eps = eps}};
}

Transformer2D make_transformer(Bench& b, const std::string& name, int width, int heads,
                               bool has_cross = true) {
  b.transformer(name, width, has_cross);
  return {b.build(),
          b.weights(name),
          {.width = width, .context_width = width, .heads = heads, .groups = 32}};
}

Downsample2D make_downsample(Bench& b) {
  b.conv("down.conv", 32, 32);
  return {b.build(), b.weights("down"), 32, /*asymmetric=*/false};
}

Upsample2D make_upsample(Bench& b) {
  b.conv("up.conv", 32, 32);
  return {b.build(), b.weights("up"), 32};
}

/// Attention over a map with heads of width 1, which the tests leave at their default.
struct MapAttention {
  MapAttention(Bench& b, const std::string& name, float eps) {
    b.spatial_attention(name, 32);
    norm = GroupNorm(b.build(), b.weights(name) / "group_norm", 32, 32, eps);
    attention = Attention(b.build(), b.weights(name), {.width = 32, .heads = 32, .qkv_bias = true});
  }
  Tensor operator()(Ctx& ctx, const Tensor& x) const {
    const Shape tokens = {x.dim(0), x.dim(1) * x.dim(2), x.dim(3)};
    return attention(ctx, norm(ctx, x).reshape(tokens), nullptr, x.reshape(tokens))
        .reshape(x.shape());
  }
  GroupNorm norm;
  Attention attention;
};

/// Without text the reference's cross-attention attends to its own input.
Tensor without_context(Ctx& ctx, const Transformer2D& t, const Tensor& x) {
  const Shape tokens = {x.dim(0), x.dim(1) * x.dim(2), x.dim(3)};
  Tensor h = t.proj_in(ctx, t.norm(ctx, x).reshape(tokens));
  for (const BasicTransformerBlock& block : t.blocks) {
    h = block.attn1(ctx, block.norm1(ctx, h), nullptr, h);
    const Tensor own = block.norm2(ctx, h);
    h = block.attn2(ctx, own, &own, h);
    h = block.ff(ctx, block.norm3(ctx, h), std::move(h));
  }
  const Tensor residual = x.reshape(tokens);
  return t.proj_out(ctx, h, {.residual = &residual}).reshape(x.shape());
}

Tensor doubled(Ctx& ctx, const Upsample2D& up, const Tensor& x) {
  return up(ctx, x, 2 * x.dim(1), 2 * x.dim(2));
}

Tensor resnet_case(Bench& b, bool has_shortcut) {
  const Tensor x = b.randn({1, 32, 64, 64}), temb = b.time(1);
  const ResnetBlock2D block = make_resnet(b, "r", 32, 32, 1e-6f);
  const Tensor y = block(b.ctx, x, &temb);
  if (!has_shortcut) return y;
  b.conv("shortcut", 32, 32, 1);  // in place of x itself
  const Conv2d shortcut(b.build(), b.weights("shortcut"), 32, 32, Conv2d::pointwise());
  const Tensor projected = shortcut(b.ctx, x);
  return ops::lincomb(b.ctx, {{1, &y}, {-1, &x}, {1, &projected}});
}

Tensor resample_case(Bench& b, const std::string& name) {
  if (name == "downsample_conv") {
    const Tensor x = b.randn({1, 32, 64, 64});
    return make_downsample(b)(b.ctx, x);
  }
  if (name == "downsample_conv_out16") {
    const Tensor x = b.randn({1, 32, 64, 64});
    b.conv("c", 32, 16);
    return Conv2d(b.build(), b.weights("c"), 32, 16,
                  {.kernel = 3, .stride = 2, .pad = {1, 1, 1, 1}})(b.ctx, x);
  }
  const Tensor x = b.randn({1, 32, 32, 32});
  if (name == "upsample_default") return ops::upsample_nearest(b.ctx, x, 64, 64);
  if (name == "upsample_conv") return doubled(b.ctx, make_upsample(b), x);
  b.conv("c", 32, 64);
  const Conv2d conv(b.build(), b.weights("c"), 32, 64);
  return conv(b.ctx, {.x = &x, .upsample2x = true});
}

Tensor transformer_case(Bench& b, bool has_cross) {
  const int width = has_cross ? 64 : 32;
  const Tensor x = b.randn({1, width, 64, 64});
  const Transformer2D block = make_transformer(b, "t", width, width / 32, has_cross);
  const Tensor context = b.randn({1, 4, width});
  return block(b.ctx, x, context);
}

enum class Mix { kNone, kSelf, kCross };

Tensor mixed(Bench& b, Mix mix, float eps, const Tensor& x) {
  if (mix == Mix::kSelf) return MapAttention(b, "a", eps)(b.ctx, x);
  if (mix == Mix::kCross) return without_context(b.ctx, make_transformer(b, "a", 32, 1), x);
  return x;
}

Tensor down_case(Bench& b, Mix mix, bool has_time) {
  const Tensor x = b.randn({4, 32, 32, 32});
  const Tensor temb = has_time ? b.time(4) : Tensor();
  const ResnetBlock2D resnet = make_resnet(b, "r", 32, 32, 1e-6f, has_time);
  const Tensor h = mixed(b, mix, 1e-6f, resnet(b.ctx, x, has_time ? &temb : nullptr));
  return make_downsample(b)(b.ctx, h);
}

Tensor middle_case(Bench& b, Mix mix) {
  const Tensor x = b.randn({4, 32, 32, 32}), temb = b.time(4);
  const ResnetBlock2D first = make_resnet(b, "r0", 32, 32, 1e-6f);
  Tensor h;
  // The cross-attention block makes its attention before its second resnet, as the other does.
  h = mixed(b, mix, 1e-6f, first(b.ctx, x, &temb));
  return make_resnet(b, "r1", 32, 32, 1e-6f)(b.ctx, h, &temb);
}

Tensor up_case(Bench& b, Mix mix) {
  const Tensor x = b.randn({4, 32, 32, 32}), temb = b.time(4);
  b.seed(1);  // of the global generator: the weights follow the skip in its stream
  const Tensor skip = b.randn({4, 32, 32, 32});
  const ResnetBlock2D resnet = make_resnet(b, "r", 64, 32, 1e-6f);
  const Tensor h = mixed(b, mix, 1e-6f, resnet(b.ctx, ops::concat(b.ctx, x, skip), &temb));
  return doubled(b.ctx, make_upsample(b), h);
}

Tensor up_decoder_case(Bench& b, Mix mix) {
  const Tensor x = b.randn({4, 32, 32, 32});
  const ResnetBlock2D resnet = make_resnet(b, "r", 32, 32, 1e-6f, /*has_time=*/false);
  const Tensor h = mixed(b, mix, 1e-6f, resnet(b.ctx, x, nullptr));
  return doubled(b.ctx, make_upsample(b), h);
}

Tensor run_case(Bench& b, const std::string& name) {
  const std::map<std::string, std::function<Tensor()>> cases = {
      {"resnet_default", [&] { return resnet_case(b, false); }},
      {"resnet_shortcut", [&] { return resnet_case(b, true); }},
      {"transformer2d_self", [&] { return transformer_case(b, false); }},
      {"transformer2d_cross", [&] { return transformer_case(b, true); }},
      {"DownBlock2D", [&] { return down_case(b, Mix::kNone, true); }},
      {"CrossAttnDownBlock2D", [&] { return down_case(b, Mix::kCross, true); }},
      {"AttnDownBlock2D", [&] { return down_case(b, Mix::kSelf, true); }},
      {"DownEncoderBlock2D", [&] { return down_case(b, Mix::kNone, false); }},
      {"AttnDownEncoderBlock2D", [&] { return down_case(b, Mix::kSelf, false); }},
      {"UNetMidBlock2D", [&] { return middle_case(b, Mix::kSelf); }},
      {"UNetMidBlock2DCrossAttn", [&] { return middle_case(b, Mix::kCross); }},
      {"UpBlock2D", [&] { return up_case(b, Mix::kNone); }},
      {"CrossAttnUpBlock2D", [&] { return up_case(b, Mix::kCross); }},
      {"AttnUpBlock2D", [&] { return up_case(b, Mix::kSelf); }},
      {"UpDecoderBlock2D", [&] { return up_decoder_case(b, Mix::kNone); }},
      {"AttnUpDecoderBlock2D", [&] { return up_decoder_case(b, Mix::kSelf); }}};
  const auto found = cases.find(name);
  return found == cases.end() ? resample_case(b, name) : found->second();
}

nlohmann::json upstream_cases() {
  std::ifstream file(DEDIT_TEST_DATA "/layers/upstream_cases.json");
  return nlohmann::json::parse(file);
}

TEST(LayerCases, CornersOfTheOutputsAreTheReferences) {
  const nlohmann::json data = upstream_cases();
  EXPECT_EQ(data["layers"].size(), 21u);
  for (const auto& row : data["layers"]) {
    Bench b;
    const Tensor y = run_case(b, row["name"]);
    const auto shape = row["output_shape"].get<std::vector<int64_t>>();
    EXPECT_EQ(y.shape(), Shape({shape[0], shape[2], shape[3], shape[1]})) << row["name"];
    const std::vector<float> values = ops::download_nchw(b.ctx, y);
    const size_t h = size_t(shape[2]), w = size_t(shape[3]);
    const size_t plane = size_t(shape[1] - 1) * h * w;  // of output[0, -1, -3:, -3:]
    for (size_t i = 0; i < 9; ++i) {
      const float value = values[plane + (h - 3 + i / 3) * w + w - 3 + i % 3];
      EXPECT_NEAR(value, row["expected"][i].get<double>(), row["upstream_tolerance"].get<double>())
          << row["name"] << " " << i;
    }
  }
}

TEST(LayerCases, TimestepFeaturesAreTheReferences) {
  const nlohmann::json data = upstream_cases();
  EXPECT_EQ(data["timestep_embedding"].size(), 3u);
  for (const auto& row : data["timestep_embedding"]) {
    const std::string name = row["name"];
    const bool is_flipped = name.find("flip_sin_to_cos=True") != name.npos;
    const double scale = name.rfind("scale=1000", 0) == 0 ? 1000 : 1;
    const std::vector<double> timesteps = {23 * scale, 24 * scale, 25 * scale};
    const std::vector<float> features =
        timestep_features(timesteps, 64, is_flipped, is_flipped ? 0 : 1);
    for (size_t i = 0; i < 9; ++i) {
      EXPECT_NEAR(features[i / 3 * 64 + 47 + i % 3], row["expected"][i].get<double>(),
                  row["tolerance"].get<double>())
          << name << " " << i;
    }
  }
}

}  // namespace
}  // namespace dedit

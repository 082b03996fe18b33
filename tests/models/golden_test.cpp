// Every network against outputs recorded from diffusers (tools/record_golden.py), on all backends.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "controlnet.h"
#include "core/str.h"
#include "io/checkpoint.h"
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae_tiles.h"
#include "support/close.h"
#include "support/gpu.h"
#include "support/reference_backend.h"
#include "support/seeded_weights.h"

namespace dedit {
namespace {

enum class Device { kReference, kCpu, kGpu };

struct Case {
  const char* config;  // of tools/golden_models.py
  Device device;
  DType dtype;
};

std::string name_of(const Case& c) {
  const char* device = c.device == Device::kGpu   ? "Gpu"
                       : c.device == Device::kCpu ? "Cpu"
                                                  : "Reference";
  return str(c.config, device,
             c.dtype == DType::kF16 || c.dtype == DType::kBF16
                 ? std::string("_") + dedit::name_of(c.dtype)
                 : "");
}

void PrintTo(const Case& c, std::ostream* s) {
  *s << name_of(c);
}

std::unique_ptr<Backend> make_backend(Device device) {
  if (device == Device::kReference) return make_reference_backend();
  return device == Device::kCpu ? make_cpu_backend() : make_cuda_backend(0);
}

std::string golden_path(const std::string& file) {
  return DEDIT_TEST_DATA "/golden/" + file;
}

class Golden : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (GetParam().device == Device::kGpu && !gpu_problem().empty()) {
      GTEST_SKIP() << gpu_problem();
    }
    const std::string name = GetParam().config;
    backend_ = make_backend(GetParam().device);
    dtype_ = GetParam().dtype;
    pool_ = std::make_unique<Pool>(backend_->memory());
    ctx_ = std::make_unique<Ctx>(Ctx{.backend = *backend_, .pool = *pool_, .dtype = dtype_});
    const std::string pattern = (std::filesystem::temp_directory_path() / "golden-XXXXXX").string();
    std::vector<char> path(pattern.begin(), pattern.end());
    path.push_back('\0');
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path.data();
    root_ = make_golden_checkpoint(golden_path(name + ".json"), folder_);
    expected_ = load_golden(golden_path(name + ".safetensors"));
    metadata_ = golden_metadata(golden_path(name + ".safetensors"));
    checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::open(root_));
    std::ifstream file(golden_path(name + ".json"));
    seed_ = nlohmann::json::parse(file)["seed"];
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  Build build() const { return {backend_.get(), dtype_}; }

  /// The rule's input of this name, given in NCHW order, as a tensor.
  Tensor input(const std::string& name, const Shape& nhwc, float scale = 1, float offset = 0) {
    std::vector<float> x = rule(name, nhwc.numel());
    for (float& v : x) v = offset + v * scale;
    return ops::upload_nchw(*ctx_, x.data(), nhwc, dtype_);
  }
  std::vector<float> rule(const std::string& name, int64_t count) const {
    return seeded_input(std::string(GetParam().config) + "." + name, count, seed_);
  }

  /// The reference's f32 rounding error is recorded; both sides may be that far from the truth, and
  /// ours four times (another order of sums). Rounding to a shorter type makes it larger by the
  /// ratio of the roundings.
  void expect_recorded(const std::string& name, const std::vector<float>& values) {
    ASSERT_TRUE(expected_.count(name)) << name;
    const double own = std::stod(metadata_.at("error:" + name));
    const double error = relative_error(values, expected_[name].values);
    RecordProperty(name, str(error, " against the reference's own ", own));
    const double sides = GetParam().device == Device::kReference ? 1.5 : 5;
    const double rounding =
        std::max(1.0, unit_roundoff(GetParam().dtype) / unit_roundoff(DType::kF32));
    EXPECT_LE(error, sides * own * rounding) << name;
  }
  void expect_recorded_nchw(const std::string& name, const Tensor& x) {
    expect_recorded(name, ops::download_nchw(*ctx_, x));
  }

  UNet2DConditionModel unet() {
    const Component& c = checkpoint_->component("unet");
    const Weights w = c.weights();
    UNet2DConditionModel model(build(), w, unet_config(c));
    Component::check(w, "");
    return model;
  }
  Conditioning conditioning(int64_t rows, const UNetConfig& config) {
    const int64_t width = config.cross_attention_dim;
    const std::vector<float> x = rule("unet.context", 2 * 77 * width);
    return {.context = ops::upload(*ctx_, x.data(), {rows, 77, width}, dtype_),
            .pooled = {},
            .ids = {}};
  }
  Shape sample_shape(int64_t rows) const {
    const auto& shape = expected_.at("unet").shape;
    return {rows, shape[2], shape[3], 4};
  }
  double timestep() const { return std::stod(metadata_.at("timestep")); }

  void expect_unet() {
    const UNet2DConditionModel model = unet();
    const double t[] = {timestep()};
    const Tensor x = input("unet.sample", sample_shape(2));
    const Conditioning context = conditioning(2, model.encoder.config);
    expect_recorded_nchw("unet", model(*ctx_, x, t, context, nullptr));
  }
  void expect_vae() {
    const Component& c = checkpoint_->component("vae");
    const Weights w = c.weights();
    const AutoencoderKL model(build(), w, vae_config(c));
    Component::check(w, "");
    const auto& z = expected_.at("vae.moments").shape;
    const int64_t factor = model.config.factor();
    const Tensor image = input("vae.image", {2, factor * z[2], factor * z[3], 3});
    expect_recorded_nchw("vae.moments", model.encode(*ctx_, image));
    const Tensor latents = input("vae.latents", {2, z[2], z[3], 4});
    expect_recorded_nchw("vae.decoded", model.decode(*ctx_, latents));
  }

  std::unique_ptr<Backend> backend_;
  DType dtype_ = DType::kF32;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Ctx> ctx_;
  std::string folder_, root_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::map<std::string, TensorValue> expected_;
  std::map<std::string, std::string> metadata_;
  uint32_t seed_ = 0;
};

TEST_P(Golden, TextStates) {
  const Component& c = checkpoint_->component("text_encoder");
  const Weights w = c.weights();
  const ClipTextModel model(build(), w, clip_text_config(c));
  Component::check(w, "");
  const auto prompts = nlohmann::json::parse(metadata_.at("ids"));
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto ids = prompts[i].get<std::vector<int32_t>>();
    expect_recorded("text_encoder." + std::to_string(i),
                    ops::download(*ctx_, model(*ctx_, ids, 1)));
  }
}

TEST_P(Golden, UNetPrediction) {
  expect_unet();
}

// What rows of guidance share is computed once: to the bit what they are by themselves. A GPU
// divides sums as the number of rows asks, so there to rounding.
TEST_P(Golden, OneRowForAllTextsIsThatRowForEach) {
  const auto expect_same = [&](const std::vector<float>& a, const std::vector<float>& b) {
    if (GetParam().device == Device::kGpu) {
      EXPECT_LE(relative_error(a, b), 5 * std::stod(metadata_.at("error:unet")));
    } else {
      EXPECT_EQ(a, b);
    }
  };
  const Component c = open_controlnet(root_ + "-controlnet");
  const UNet2DConditionModel model = unet();
  const ControlNetModel control(build(), c.weights(), unet_config(c));
  const double t[] = {timestep()};
  const Shape shape = sample_shape(1);
  const Tensor one = input("unet.sample", shape), each = ops::repeat_rows(*ctx_, one, 2);
  const Tensor hint = input("control.hint", {1, 8 * shape[1], 8 * shape[2], 3});
  const Tensor features = control.embed_hint(*ctx_, hint);
  Conditioning context = conditioning(2, model.encoder.config);
  for (const int64_t perturbed_rows : {0, 1}) {
    context.perturbed_rows = perturbed_rows;
    const ControlResiduals shared = control(*ctx_, one, t, context, features);
    const ControlResiduals own = control(*ctx_, each, t, context, features);
    for (const auto& [block, residual] : own.by_block) {
      ASSERT_EQ(shared.by_block.at(block).dim(0), 2) << block;
      SCOPED_TRACE(block);
      expect_same(ops::download(*ctx_, shared.by_block.at(block)), ops::download(*ctx_, residual));
    }
    const Tensor y = model(*ctx_, one, t, context, &shared);
    ASSERT_EQ(y.dim(0), 2);
    expect_same(ops::download(*ctx_, y),
                ops::download(*ctx_, model(*ctx_, each, t, context, &own)));
  }
}

TEST_P(Golden, ControlResidualsAndTheirEffect) {
  const Component c = open_controlnet(root_ + "-controlnet");
  const Weights w = c.weights();
  const UNetConfig config = unet_config(c);
  const ControlNetModel control(build(), w, config);
  Component::check(w, "");
  const double t[] = {timestep()};
  const Shape shape = sample_shape(1);
  const Tensor x = input("unet.sample", shape);
  const Tensor hint =
      input("control.hint", {1, 8 * shape[1], 8 * shape[2], 3}, 1.0f / 3, /*offset=*/0.5f);
  const Conditioning context = conditioning(1, config);
  const ControlResiduals residuals = control(*ctx_, x, t, context, control.embed_hint(*ctx_, hint));
  const auto skips = skip_channels(config);
  ASSERT_EQ(residuals.by_block.size(), skips.size() + 1);
  for (size_t i = 0; i < skips.size(); ++i) {
    expect_recorded_nchw("controlnet.down." + std::to_string(i),
                         residuals.by_block.find(skips[i].first)->second);
  }
  expect_recorded_nchw("controlnet.mid", residuals.by_block.find("mid_block")->second);
  expect_recorded_nchw("unet.controlled", unet()(*ctx_, x, t, context, &residuals));
}

TEST_P(Golden, VaeMomentsAndDecodedPicture) {
  expect_vae();
}

TEST_P(Golden, VaeInTiles) {
  const std::string file = golden_path(std::string(GetParam().config) + "_tiles.safetensors");
  for (auto& [name, value] : load_golden(file)) expected_["tiles." + name] = value;
  const auto metadata = golden_metadata(file);
  for (const char* name : {"moments", "decoded"}) {
    metadata_[str("error:tiles.", name)] = metadata.at(str("error:", name));
  }
  const Component& c = checkpoint_->component("vae");
  const AutoencoderKL vae(build(), c.weights(), vae_config(c));
  const int factor = vae.config.factor(), tile = factor * std::stoi(metadata.at("cells"));
  const auto& cells = expected_.at("tiles.moments").shape;
  const int h = int(cells[2]), w = int(cells[3]);
  const Planes picture{3, factor * h, factor * w, rule("tiles.image", 3 * factor * h * factor * w)};
  const Planes moments = encode_tiled(*ctx_, vae, picture, tile);
  expect_recorded("tiles.moments", moments.values);
  const Planes latents{4, h, w, rule("tiles.latents", 4 * h * w)};
  const Planes decoded = decode_tiled(*ctx_, vae, latents, tile);
  expect_recorded("tiles.decoded", decoded.values);
  EXPECT_EQ(decoded.height, factor * h);
  EXPECT_EQ(decoded.width, factor * w);
  // A tile that holds everything is no tile.
  EXPECT_EQ(decode_tiled(*ctx_, vae, latents, 4 * factor * 3).values,
            decode_tiled(*ctx_, vae, latents, 0).values);
}

/// Types that only GPUs compute networks in; text is always encoded in f32.
class ShortGolden : public Golden {};

TEST_P(ShortGolden, UNetPrediction) {
  expect_unet();
}

TEST_P(ShortGolden, VaeMomentsAndDecodedPicture) {
  expect_vae();
}

constexpr Case kCases[] = {
    {"sd15", Device::kReference, DType::kF64}, {"linear", Device::kReference, DType::kF64},
    {"conv", Device::kReference, DType::kF64}, {"sd15", Device::kCpu, DType::kF32},
    {"linear", Device::kCpu, DType::kF32},     {"conv", Device::kCpu, DType::kF32},
    {"sd15", Device::kGpu, DType::kF32},       {"linear", Device::kGpu, DType::kF32},
    {"conv", Device::kGpu, DType::kF32}};
INSTANTIATE_TEST_SUITE_P(Networks, Golden, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return name_of(test.param); });
INSTANTIATE_TEST_SUITE_P(Networks, ShortGolden,
                         ::testing::Values(Case{"sd15", Device::kGpu, DType::kBF16},
                                           Case{"sd15", Device::kGpu, DType::kF16}),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace dedit

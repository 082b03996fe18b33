// `dedit inspect --layers`: sizes of the model that ships, level by level.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using json = nlohmann::json;
using Counts = std::map<std::string, int64_t>;

json inspected(const std::string& path) {
  const Outcome shown = Workplace().run({"inspect", path, "--layers", "--json"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  return json::parse(shown.out, nullptr, /*allow_exceptions=*/false);
}

// Without the layers that put out nothing of their own (norms).
Counts activations(const json& network) {
  Counts counts;
  for (const json& level : network.at("levels")) {
    const int64_t n = level.at("activations");
    if (n > 0) counts[level.at("name")] = n;
  }
  return counts;
}

int64_t total(const Counts& counts) {
  int64_t sum = 0;
  for (const auto& [name, n] : counts) sum += n;
  return sum;
}

TEST(Inspect, ParametersOfLevelsAddUpToTheModulesThatInspectCounts) {
  const json shown = inspected(DEDIT_MINI_DIR);
  for (const char* name : {"unet", "vae"}) {
    const json& component = shown.at("components").at(name);
    const json& network = shown.at("layers").at("networks").at(name);
    Counts by_module;
    int64_t bytes = 0;
    for (const json& level : network.at("levels")) {
      std::string module = level.at("name");
      if (!component.at("modules").contains(module)) module = module.substr(0, module.find('.'));
      by_module[module] += level.at("parameters").get<int64_t>();
      bytes += level.at("bytes").get<int64_t>();
    }
    EXPECT_EQ(by_module, component.at("modules").get<Counts>()) << name;
    EXPECT_EQ(network.at("total").at("parameters"), component.at("parameters")) << name;
    EXPECT_EQ(bytes, 2 * component.at("parameters").get<int64_t>()) << name;  // stored as f16
    EXPECT_EQ(network.at("total").at("bytes"), bytes) << name;
  }
}

TEST(Inspect, ActivationsOfALevelAreThoseCountedByHand) {
  const json shown = inspected(DEDIT_MINI_DIR);
  const json& levels = shown.at("layers").at("networks").at("unet").at("levels");
  const auto level = std::find_if(levels.begin(), levels.end(),
                                  [](const json& l) { return l.at("name") == "down_blocks.1"; });
  ASSERT_NE(level, levels.end());
  // One residual block 64 -> 128 and one transformer on 16x16 cells, then down to 8x8.
  constexpr int64_t kMap = 16 * 16, kWidth = 128, kText = 77;
  constexpr int64_t kResnet = 3 * kWidth * kMap + kWidth;  // two convolutions, shortcut; time
  constexpr int64_t kSelf = 4 * kWidth * kMap;             // q, k, v, out
  constexpr int64_t kCross = 2 * kWidth * kMap + 2 * kWidth * kText;
  constexpr int64_t kFeedForward = (8 + 1) * kWidth * kMap;
  constexpr int64_t kTransformer = 2 * kWidth * kMap + kSelf + kCross + kFeedForward;
  EXPECT_EQ(level->at("side"), 16);
  EXPECT_EQ(level->at("activations"), kResnet + kTransformer + kWidth * 8 * 8);
  EXPECT_EQ(level->at("activation_bytes_f32"), 4 * (kResnet + kTransformer + kWidth * 8 * 8));
}

// Outputs of all Conv2d and Linear modules in one call at 256x256, counted with forward hooks on
// diffusers 0.42.1's UNet2DConditionModel, ControlNetModel and AutoencoderKL.
TEST(Inspect, ActivationsAreThoseTheReferenceComputes) {
  const Counts down = {{"conv_in", 65536},        {"time_embedding", 512},
                       {"down_blocks.0", 147520}, {"down_blocks.1", 683392},
                       {"down_blocks.2", 275520}, {"mid_block", 288000}};
  Counts unet = down, control = down;
  unet.merge(Counts{{"up_blocks.0", 600192},
                    {"up_blocks.1", 1481472},
                    {"up_blocks.2", 393344},
                    {"conv_out", 4096}});
  control.merge(Counts{{"controlnet_cond_embedding", 1867776},
                       {"controlnet_down_blocks.0", 65536},
                       {"controlnet_down_blocks.1", 65536},
                       {"controlnet_down_blocks.2", 16384},
                       {"controlnet_down_blocks.3", 32768},
                       {"controlnet_down_blocks.4", 8192},
                       {"controlnet_down_blocks.5", 12288},
                       {"controlnet_mid_block", 12288}});
  const Counts vae = {{"encoder.conv_in", 1048576},       {"encoder.down_blocks.0", 2359296},
                      {"encoder.down_blocks.1", 1703936}, {"encoder.down_blocks.2", 851968},
                      {"encoder.down_blocks.3", 393216},  {"encoder.mid_block", 524288},
                      {"encoder.conv_out", 8192},         {"quant_conv", 8192},
                      {"post_quant_conv", 4096},          {"decoder.conv_in", 131072},
                      {"decoder.mid_block", 524288},      {"decoder.up_blocks.0", 1048576},
                      {"decoder.up_blocks.1", 2359296},   {"decoder.up_blocks.2", 4718592},
                      {"decoder.up_blocks.3", 5242880},   {"decoder.conv_out", 196608}};
  const json layers = inspected(DEDIT_MINI_DIR).at("layers");
  EXPECT_EQ(layers.at("size"), 256);
  const json& networks = layers.at("networks");
  for (const auto& [name, counts] :
       {std::pair{"unet", unet}, {"controlnet-canny", control}, {"vae", vae}}) {
    EXPECT_EQ(activations(networks.at(name)), counts) << name;
    EXPECT_EQ(networks.at(name).at("total").at("activations"), total(counts)) << name;
    EXPECT_EQ(layers.at("sizes").at(0).at("activations").at(name), total(counts)) << name;
  }
}

TEST(Inspect, PicturesAreCompressedFortyEightTimesAtEverySize) {
  const json sizes = inspected(DEDIT_MINI_DIR).at("layers").at("sizes");
  std::vector<int64_t> shown;
  for (const json& row : sizes) {
    const int64_t size = row.at("size");
    shown.push_back(size);
    EXPECT_EQ(row.at("picture_values"), 3 * size * size);
    EXPECT_EQ(row.at("latent"), json({4, size / 8, size / 8}));
    EXPECT_EQ(row.at("latent_values"), 4 * (size / 8) * (size / 8));
    EXPECT_EQ(row.at("compression"), 48);
  }
  EXPECT_EQ(shown, (std::vector<int64_t>{256, 512, 768, 1024}));
}

TEST(Inspect, AControlNetAloneHasLayers) {
  const json shown = inspected(DEDIT_MINI_DIR "/controlnet-canny");
  const json& network = shown.at("layers").at("networks").at("controlnet");
  EXPECT_EQ(network.at("total").at("parameters"),
            shown.at("components").at("controlnet").at("parameters"));
}

TEST(Inspect, LayersAreATableOfTheSameNumbersForPeople) {
  const Outcome plain = Workplace().run({"inspect", DEDIT_MINI_DIR});
  const Outcome shown = Workplace().run({"inspect", DEDIT_MINI_DIR, "--layers"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_TRUE(shown.out.starts_with(plain.out));
  for (const char* number : {" 3939584", " 15758336", " 21123072", " 4x32x32"}) {
    EXPECT_NE(shown.out.find(number), std::string::npos) << number << "\n" << shown.out;
  }
}

TEST(Inspect, LayersOfAPictureAreAUsageError) {
  const Workplace at;
  at.make_picture("a.png");
  expect_error(at.run({"inspect", "a.png", "--layers"}), 2, {"a.png", "model"});
  expect_error(at.run({"inspect", "none", "--layers"}), 3, {"none"});
  expect_error(at.run({"inspect", "--layers"}), 2, {"PATH is missing"});
}

}  // namespace
}  // namespace dedit::cli_tests

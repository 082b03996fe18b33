// Facts about edits under controls, on a tiny model whose weights come from a seed.
#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/golden_model.h"

#include "dedit/dedit.h"
#include "dedit/model.h"

namespace dedit {
namespace {

constexpr int kWidth = 72, kHeight = 48;  // levels of 9x6, 5x3, 3x2, 2x1 cells
constexpr size_t kResiduals = 13;

Model model(const char* dtype) {
  static std::map<std::string, Model> loaded;
  auto it = loaded.find(dtype);
  if (it == loaded.end()) {
    it = loaded.emplace(dtype, Model::load(golden_model(), {.dtype = dtype})).first;
  }
  return it->second;
}

/// White for x in [first, last).
Image stripe(int first, int last) {
  Image mask(kWidth, kHeight, 1);
  for (int y = 0; y < kHeight; ++y) {
    std::fill_n(mask.row<uint8_t>(y) + first, last - first, uint8_t{255});
  }
  return mask;
}

ControlUnit control(const std::string& which = "", unsigned hint_seed = 3) {
  ControlUnit unit;
  unit.model = golden_model() + "-controlnet" + which;
  unit.hint = noise_image(kWidth, kHeight, 3, PixelType::kU8, hint_seed);
  return unit;
}

EditRequest request(std::vector<ControlUnit> controls = {}) {
  EditRequest r;
  r.prompt = "a cat";
  r.negative_prompt = "a dog";
  r.steps = 2;
  r.width = kWidth;
  r.height = kHeight;
  r.scheduler = "ddim";
  r.controls = std::move(controls);
  return r;
}

EditResult run(const EditRequest& r, const char* dtype = "f32", SessionOptions options = {}) {
  Session session(model(dtype), std::move(options));
  return session.run(r);
}

std::vector<float> latents(const EditRequest& r, const char* dtype = "f32") {
  return run(r, dtype).latents.values;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, double(std::abs(a[i] - b[i])));
    largest = std::max(largest, double(std::abs(b[i])));
  }
  return most / largest;
}

TEST(Controls, AMaskOfZerosIsNoControlBitForBit) {
  for (const char* dtype : {"f32", "bf16"}) {
    EditRequest r = request({control()});
    r.controls[0].mask = stripe(0, 0);
    const EditResult masked = run(r, dtype);
    EXPECT_EQ(masked.latents.values, latents(request(), dtype)) << dtype;
    ASSERT_EQ(masked.report.warnings.size(), 1u);
    EXPECT_NE(masked.report.warnings[0].find("all black"), std::string::npos);
  }
}

TEST(Controls, AMaskOfOnesIsNoMaskBitForBit) {
  for (const char* dtype : {"f32", "bf16"}) {
    for (const Compat compat : {Compat::kOwn, Compat::kWebui}) {
      EditRequest r = request({control()});
      r.compat = compat;
      r.controls[0].scale = 0.7;
      const std::vector<float> plain = latents(r, dtype);
      r.controls[0].mask = stripe(0, kWidth);
      EXPECT_EQ(latents(r, dtype), plain) << dtype;
    }
  }
}

TEST(Controls, AMaskActsWhereItIsWhite) {
  EditRequest r = request({control()});
  r.steps = 1;
  const std::vector<float> none = latents(request());
  const std::vector<float> everywhere = latents(r);
  r.controls[0].mask = stripe(0, 24);
  const std::vector<float> left = latents(r);
  EXPECT_NE(left, none);
  EXPECT_NE(left, everywhere);
}

TEST(Controls, TwoMasksThatCoverThePictureAreTheWholeControl) {
  // Halves at a border of the coarsest level's cells, so that every level splits exactly.
  EditRequest r = request({control()});
  const std::vector<float> whole = latents(r);
  r.controls = {control(), control()};
  r.controls[0].mask = stripe(0, 64);
  r.controls[1].mask = stripe(64, kWidth);
  EXPECT_LT(distance(latents(r), whole), 2e-6);
}

TEST(Controls, AScaleOfZeroChangesNothing) {
  for (const ControlMode mode :
       {ControlMode::kBalanced, ControlMode::kPrompt, ControlMode::kControl, ControlMode::kGuess}) {
    EditRequest r = request({control("", 5), control("-b")});
    r.controls[1].scale = 0;
    r.controls[1].mode = mode;
    EXPECT_EQ(latents(r), latents(request({control("", 5)})));
  }
}

TEST(Controls, ACurveOfOneIsNoCurveAndOfZeroNoControl) {
  EditRequest r = request({control()});
  const std::vector<float> plain = latents(r);
  r.controls[0].curve = {{0, 1}, {0.5, 1}, {1, 1}};
  EXPECT_EQ(latents(r), plain);
  r.controls[0].curve = {{0, 0}};
  EXPECT_EQ(latents(r), latents(request()));
  r.controls[0].curve = {{0, 0.5}};  // the same as half the scale
  const std::vector<float> half = latents(r);
  r.controls[0].curve.clear();
  r.controls[0].scale = 0.5;
  EXPECT_EQ(latents(r), half);
}

TEST(Controls, TheirOrderDoesNotMatter) {
  EditRequest r = request({control("", 3), control("-b", 4), control("", 9)});
  r.controls[1].mode = ControlMode::kControl;
  r.controls[1].mask = stripe(0, 40);
  r.controls[2].scale = 0.4;
  const std::vector<float> forth = latents(r);
  std::reverse(r.controls.begin(), r.controls.end());
  EXPECT_LT(distance(latents(r), forth), 2e-5);
  r.normalize_controls = true;
  const std::vector<float> back = latents(r);
  std::reverse(r.controls.begin(), r.controls.end());
  EXPECT_LT(distance(latents(r), back), 2e-5);
}

TEST(Controls, ThreadsDoNotMatter) {
  EditRequest r = request({control("", 3), control("-b", 4)});
  r.controls[0].mask = stripe(10, 40);
  r.controls[0].curve = {{0, 1}, {1, 0.3}};
  r.controls[1].mode = ControlMode::kGuess;
  r.normalize_controls = true;
  const auto at = [&](int threads) {
    SessionOptions options;
    options.threads = threads;
    options.measure_controls = true;
    return run(r, "f32", std::move(options));
  };
  const EditResult one = at(1), three = at(3);
  EXPECT_EQ(one.latents.values, three.latents.values);
  EXPECT_EQ(one.images[0].text, three.images[0].text);
  EXPECT_EQ(one.report.controls[0].energy, three.report.controls[0].energy);
}

TEST(Controls, LayerWeightsAreTheModesOwn) {
  EditRequest r = request({control()});
  r.controls[0].mode = ControlMode::kPrompt;
  const std::vector<float> prompt = latents(r);
  r.controls[0].mode = ControlMode::kBalanced;
  EXPECT_GT(distance(latents(r), prompt), 1e-3);
  for (size_t i = 0; i < kResiduals; ++i) {
    r.controls[0].layers.push_back(std::pow(0.825, double(kResiduals - 1 - i)));
  }
  EXPECT_EQ(latents(r), prompt);
  r.controls[0].layers.assign(kResiduals, 1);
  EXPECT_EQ(latents(r), latents(request({control()})));
  r.controls[0].layers.assign(kResiduals, 0);
  EXPECT_EQ(latents(r), latents(request()));
  r.controls[0].layers.pop_back();
  EXPECT_THROW(latents(r), Error);
}

TEST(Controls, WithoutANegativeBranchControlIsPromptAndUnbalancedIsBalanced) {
  EditRequest r = request({control()});
  const auto in_mode = [&](ControlMode mode) {
    r.controls[0].mode = mode;
    return latents(r);
  };
  EXPECT_NE(in_mode(ControlMode::kUnbalanced), in_mode(ControlMode::kBalanced));
  EXPECT_NE(in_mode(ControlMode::kControl), in_mode(ControlMode::kPrompt));
  r.guidance = 1;
  EXPECT_EQ(in_mode(ControlMode::kUnbalanced), in_mode(ControlMode::kBalanced));
  EXPECT_EQ(in_mode(ControlMode::kControl), in_mode(ControlMode::kPrompt));
}

TEST(Controls, NormalisedSumsOfOneControlTwiceAreTheControl) {
  EditRequest r = request({control()});
  const std::vector<float> once = latents(r);
  r.normalize_controls = true;
  EXPECT_EQ(latents(r), once);  // a sum of 1 stays
  r.controls = {control(), control()};
  EXPECT_LT(distance(latents(r), once), 2e-6);
  // The same cell by cell: where both masks are white each counts half.
  r.controls[0].mask = r.controls[1].mask = stripe(0, kWidth);
  EXPECT_LT(distance(latents(r), once), 2e-6);
  r.controls[1].mask = stripe(0, 0);
  EXPECT_LT(distance(latents(r), once), 2e-6);
}

TEST(Controls, TheReportSaysWhatEachDid) {
  EditRequest r = request({control("", 3), control("", 3)});
  r.steps = 4;
  r.controls[0].end = 0.5;
  r.controls[1].scale = 0.5;
  SessionOptions options;
  options.measure_controls = true;
  const EditReport report = run(r, "f32", std::move(options)).report;
  ASSERT_EQ(report.controls.size(), 2u);
  EXPECT_EQ(report.n_calls, 4);
  EXPECT_EQ(report.controls[0].n_calls, 2);
  EXPECT_EQ(report.controls[0].first_call, 1);
  EXPECT_EQ(report.controls[0].last_call, 2);
  EXPECT_EQ(report.controls[1].last_call, 4);
  EXPECT_EQ(report.controls[0].geometry.grid_width, kWidth);
  EXPECT_GT(report.controls[0].energy, 0);
  EXPECT_EQ(run(r).report.controls[0].energy, 0);  // not measured
}

TEST(Controls, EnergyGrowsWithTheScaleAndShrinksWithTheMask) {
  EditRequest r = request({control()});
  r.steps = 1;
  const auto energy = [&] {
    SessionOptions options;
    options.measure_controls = true;
    return run(r, "f32", std::move(options)).report.controls[0].energy;
  };
  const double one = energy();
  r.controls[0].scale = 3;
  EXPECT_NEAR(energy(), 3 * one, 1e-9 * one);
  r.controls[0].scale = 1;
  r.controls[0].mask = stripe(0, 24);
  EXPECT_LT(energy(), 0.8 * one);
}

TEST(Controls, TheRecipeHoldsThem) {
  EditRequest r = request({control()});
  ControlUnit& unit = r.controls[0];
  unit.mode = ControlMode::kGuess;
  unit.layers.assign(kResiduals, 0.5);
  unit.curve = {{0, 1}, {1, 0.25}};
  unit.mask = stripe(0, 24);
  unit.annotator = "pose";
  unit.files = {{"pose", "/somewhere/p.json"}};
  unit.hashes = {{"net", "12ab"}};
  r.normalize_controls = true;
  const auto recipe = nlohmann::json::parse(run(r).images[0].text.at("dedit"));
  const auto& j = recipe["controls"][0];
  EXPECT_EQ(j["mode"], "guess");
  EXPECT_EQ(j["layers"].size(), kResiduals);
  EXPECT_EQ(j["curve"], nlohmann::json::parse("[[0.0,1.0],[1.0,0.25]]"));
  EXPECT_EQ(j["mask_sha256"], pixel_hash(*unit.mask));
  EXPECT_EQ(j["files"]["pose"], "p.json");
  EXPECT_EQ(j["net_sha256"], "12ab");
  EXPECT_EQ(recipe["normalize_controls"], true);
}

TEST(Controls, TheRecipeHoldsTheGeometry) {
  EditRequest r = request();
  r.image = noise_image(100, 60, 3, PixelType::kU8, 1);
  r.crop = Rect{10, 0, 60, 60};
  r.fit = Fit::kCrop;
  const EditResult result = run(r);
  EXPECT_EQ(result.images[0].width, kWidth);
  const auto recipe = nlohmann::json::parse(result.images[0].text.at("dedit"));
  EXPECT_EQ(recipe["geometry"]["crop"], nlohmann::json::parse("[10,0,60,60]"));
  EXPECT_EQ(recipe["geometry"]["fit"], "crop");
  EXPECT_EQ(recipe["geometry"]["scaled"], nlohmann::json::parse("[72,72]"));
  EXPECT_EQ(recipe["geometry"]["at"], nlohmann::json::parse("[0,-12]"));
  EXPECT_EQ(result.report.geometry.top, -12);
}

TEST(Controls, ImpossibleOnesAreUsageErrors) {
  const auto kind = [](auto change) {
    EditRequest r = request({control()});
    change(r.controls[0]);
    try {
      run(r);
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::kOther;
  };
  EXPECT_EQ(kind([](ControlUnit& c) { c.scale = NAN; }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](ControlUnit& c) { c.curve = {{0.5, 1}, {0.5, 2}}; }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](ControlUnit& c) { c.curve = {{0, NAN}}; }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](ControlUnit& c) { c.layers = {1, 2}; }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](ControlUnit& c) {
              c.mask = noise_image(8, 48, 3, PixelType::kU8, 1);
              c.fit = Fit::kExact;
            }),
            ErrorKind::kUsage);
  EXPECT_EQ(kind([](ControlUnit& c) {
              c.hint = noise_image(8, 48, 3, PixelType::kU8, 1);
              c.fit = Fit::kExact;
            }),
            ErrorKind::kUsage);
}

}  // namespace
}  // namespace dedit

// dedit schedule: tables, plots, and whole runs without a model against diffusers 0.42.1.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using nlohmann::json;

/// Two tensors [1, 4, 1, 1].
std::string latents_file() {
  const std::string header =
      R"({"latents":{"dtype":"F32","shape":[1,4,1,1],"data_offsets":[0,16]},)"
      R"("init_latents":{"dtype":"F32","shape":[1,4,1,1],"data_offsets":[16,32]}})";
  const float values[] = {1, -0.5, 0.25, 2, 0.5, -1, 0.25, 0.75};
  const uint64_t size = header.size();
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values), sizeof values);
  return bytes;
}

constexpr const char* kBetas =
    R"("beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
       "prediction_type": "v_prediction")";

json toy(const std::string& config, const std::vector<std::string>& words) {
  const Workplace at;
  at.write("f.safetensors", latents_file());
  at.write("c.json", "{" + std::string(kBetas) + "," + config + "}");
  std::vector<std::string> all = {"schedule", "--scheduler-config", "c.json",        "--denoiser",
                                  "toy",      "--latents",          "f.safetensors", "--trace-json",
                                  "-"};
  all.insert(all.end(), words.begin(), words.end());
  const Outcome outcome = at.run(all);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json::parse(outcome.out);
}

void expect_near(const json& got, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size()) << got;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(got[i].get<double>(), expected[i], tolerance) << i;
  }
}

TEST(Schedule, ToyRunsEndWhereDiffusersDoes) {
  const json a = toy(R"("_class_name": "EulerAncestralDiscreteScheduler")",
                     {"--steps", "4", "--start", "noised", "--strength", "0.5", "--seed", "3"});
  EXPECT_EQ(a["timesteps"], json({999, 666, 333, 0}));
  expect_near(a["sigmas"], {14.6146469, 2.9183085, 0.93235838, 0.02916753, 0}, 1e-6);
  EXPECT_NEAR(a["init_noise_sigma"].get<double>(), 14.6146469, 1e-6);
  expect_near(a["latents"], {0.078670136, -0.051484242, 0.021233262, 0.083019912}, 1e-6);

  const json b = toy(R"("_class_name": "DDIMScheduler", "clip_sample": false, "steps_offset": 1)",
                     {"--steps", "3", "--eta", "1", "--seed", "3"});
  EXPECT_EQ(b["timesteps"], json({667, 334, 1}));
  EXPECT_EQ(b["sigmas"], json::array());
  expect_near(b["latents"], {0.019188951, -0.045008443, 0.014289764, 0.0027854815}, 1e-6);

  const json c = toy(R"("_class_name": "HeunDiscreteScheduler")",
                     {"--steps", "3", "--start", "noised", "--strength", "0.7"});
  EXPECT_EQ(c["timesteps"], json({999, 499.5, 499.5, 0, 0}));
  expect_near(c["latents"], {0.90719479, -0.77520889, 0.2804004, 1.7071848}, 2e-6);
}

TEST(Schedule, StartIndexIsAStrengthInSteps) {
  const std::string heun = R"("_class_name": "HeunDiscreteScheduler")";
  EXPECT_EQ(toy(heun, {"--steps", "4", "--start", "noised", "--strength", "0.5"}),
            toy(heun, {"--steps", "4", "--start", "noised", "--start-index", "2"}));
}

/// The training schedule alone, of 1000 timesteps.
double zero_db(const std::string& betas) {
  const Outcome outcome = Workplace().run(
      {"schedule", "--scheduler", "ddim", "--json", "--scheduler-option", "beta_schedule=" + betas,
       "--scheduler-option", "beta_start=0.0001", "--scheduler-option", "beta_end=0.02"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json::parse(outcome.out)[0]["zero_db_timestep"];
}

TEST(Schedule, CosineCrossesZeroDbNearTheMiddleAndLinearNearAQuarter) {
  // alpha-bar is cos^2 or, for the linear betas, about exp(-t (1e-4 + t 1e-5)).
  EXPECT_NEAR(zero_db("squaredcos_cap_v2"), 496, 3);
  EXPECT_NEAR(zero_db("linear"), 258, 3);
}

TEST(Schedule, PlotsSeveralSchedules) {
  const Workplace at;
  const Outcome outcome = at.run({"schedule", "--scheduler", "euler", "--scheduler",
                                  "DPM++ 2M Karras", "--steps", "10", "-o", "p.png"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("dpmpp_2m karras, 10 steps"), std::string::npos) << outcome.out;
  EXPECT_EQ(at.read("p.png").substr(1, 3), "PNG");
}

TEST(Schedule, RefusesBadInput) {
  const Workplace at;
  at.write("c.json", R"({"_class_name": "VQDiffusionScheduler"})");
  at.write("broken.json", "{");
  expect_error(at.run({"schedule", "--scheduler", "dpmpp_2n"}), 2,
               {"scheduler dpmpp_2n is unknown", "did you mean dpmpp_2m?"});
  expect_error(at.run({"schedule", "--scheduler-config", "c.json"}), 2,
               {"VQDiffusionScheduler is not available"});
  expect_error(at.run({"schedule", "--scheduler-config", "broken.json"}), 4, {"broken.json"});
  expect_error(at.run({"schedule", "--scheduler-config", "none.json"}), 3, {"none.json"});
  expect_error(at.run({"schedule", "--steps", "10000"}), 2, {"--steps 10000 is outside 1..1000"});
  expect_error(at.run({"schedule", "--scheduler", "euler", "--eta", "1"}), 2,
               {"scheduler euler has no parameter eta", "ddim"});
  expect_error(at.run({"schedule", "--denoiser", "toy"}), 2, {"--latents FILE is missing"});
  expect_error(at.run({"schedule", "--timesteps", "1,5"}), 2, {"does not descend at 5"});
}

}  // namespace
}  // namespace dedit::cli_tests

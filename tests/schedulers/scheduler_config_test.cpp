#include <string>

#include <gtest/gtest.h>

#include "schedulers/testbed.h"

#include "dedit/error.h"

namespace dedit {
namespace {

// Stable Diffusion 1.5's file.
constexpr const char* kSd15 = R"({"_class_name": "PNDMScheduler", "beta_end": 0.012,
  "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
  "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null,
  "clip_sample": false})";

SchedulerConfig parse(const std::string& text) {
  return parse_scheduler_config(text, "scheduler_config.json");
}

TEST(SchedulerConfig, EmptyTextMeansStableDiffusion1) {
  const SchedulerConfig a = parse("");
  const SchedulerConfig b = parse(kSd15);
  EXPECT_EQ(a.class_name, "");
  EXPECT_EQ(b.class_name, "PNDMScheduler");
  EXPECT_EQ(a.beta_start, b.beta_start);
  EXPECT_EQ(a.beta_end, b.beta_end);
  EXPECT_EQ(a.beta_schedule, b.beta_schedule);
  EXPECT_EQ(a.steps_offset, b.steps_offset);
  EXPECT_EQ(a.set_alpha_to_one, b.set_alpha_to_one);
  EXPECT_EQ(a.skip_prk_steps, b.skip_prk_steps);
  EXPECT_EQ(a.spacing, b.spacing);
}

// Switching the class drops what the old class had filled in by default.
TEST(SchedulerConfig, AnAbsentSpacingIsTheRunningSchedulersOwn) {
  SolverOptions options;
  options.steps = 4;
  options.config = parse(kSd15);
  EXPECT_EQ(find_scheduler("pndm")->make(options)->levels()[0].timestep, 751);
  EXPECT_EQ(find_scheduler("euler")->make(options)->levels()[0].timestep, 999);
}

TEST(SchedulerConfig, AnExplicitSpacingIsKeptByEveryScheduler) {
  SolverOptions options;
  options.steps = 4;
  options.config = parse(R"({"_class_name": "PNDMScheduler", "timestep_spacing": "leading"})");
  EXPECT_EQ(find_scheduler("euler")->make(options)->levels()[0].timestep, 751);
  options.spacing = Spacing::kTrailing;
  EXPECT_EQ(find_scheduler("euler")->make(options)->levels()[0].timestep, 999);
}

TEST(SchedulerConfig, AbsentFieldsTakeTheReferencesDefaults) {
  const SchedulerConfig c = parse("{}");
  EXPECT_EQ(c.beta_schedule, "linear");
  EXPECT_EQ(c.beta_start, 0.0001);
  EXPECT_EQ(c.beta_end, 0.02);
  EXPECT_FALSE(c.set_alpha_to_one.has_value());
  EXPECT_FALSE(c.skip_prk_steps);
  EXPECT_EQ(c.prediction, Prediction::kEpsilon);
}

TEST(SchedulerConfig, PipelinesSetTheOffset) {
  EXPECT_EQ(parse(R"({"steps_offset": 0})").steps_offset, 1);
}

TEST(SchedulerConfig, ReadsWhatItFinds) {
  const SchedulerConfig c = parse(
      R"({"_class_name": "EulerDiscreteScheduler", "prediction_type": "v_prediction",
          "timestep_spacing": "trailing", "use_karras_sigmas": true, "set_alpha_to_one": true,
          "final_sigmas_type": "sigma_min", "lower_order_final": false})");
  EXPECT_EQ(c.prediction, Prediction::kV);
  EXPECT_EQ(c.spacing, Spacing::kTrailing);
  EXPECT_EQ(c.sigmas, Sigmas::kKarras);
  EXPECT_EQ(c.set_alpha_to_one, true);
  EXPECT_FALSE(c.final_sigma_zero);
  EXPECT_EQ(c.lower_order_final, false);
}

TEST(SchedulerConfig, SettingsPickTheSchedulerOfAClass) {
  const auto named = [](const std::string& settings) {
    const std::string text = R"({"_class_name": "DPMSolverMultistepScheduler")" + settings + "}";
    return std::string(find_scheduler_class(parse(text))->name);
  };
  EXPECT_EQ(named(""), "dpmpp_2m");
  EXPECT_EQ(named(R"(, "solver_order": 3)"), "dpmpp_3m");
  EXPECT_EQ(named(R"(, "algorithm_type": "sde-dpmsolver++")"), "dpmpp_2m_sde");
  EXPECT_EQ(named(R"(, "algorithm_type": "dpmsolver", "solver_order": 3)"), "dpm_multistep");
}

TEST(SchedulerConfig, ASettingOfAnotherMethodMakesTheClassUnknown) {
  const auto c = parse(R"({"_class_name": "DDPMScheduler", "variance_type": "learned_range"})");
  EXPECT_EQ(c.class_name, "DDPMScheduler with variance_type learned_range");
  EXPECT_EQ(find_scheduler_class(c), nullptr);
}

TEST(SchedulerConfig, PythonsBareInfinityIsTheDefault) {
  const auto c = parse(R"({"_class_name": "DPMSolverMultistepScheduler",
                           "lambda_min_clipped": -Infinity, "note": "-Infinity"})");
  EXPECT_FALSE(c.settings.contains("lambda_min_clipped"));
  EXPECT_EQ(c.settings.at("note"), "-Infinity");
}

TEST(SchedulerConfig, SettingsOfTheCallerGoOverTheFilesAndThePipelines) {
  const auto file = parse(R"({"_class_name": "DDIMScheduler", "steps_offset": 3})");
  EXPECT_EQ(file.steps_offset, 1);  // the pipelines' rule
  const auto c = with_settings(file, {{"steps_offset", "0"}, {"beta_schedule", "linear"}},
                               "EulerDiscreteScheduler");
  EXPECT_EQ(c.steps_offset, 0);
  EXPECT_EQ(c.beta_schedule, "linear");
  EXPECT_EQ(c.class_name, "EulerDiscreteScheduler");
}

TEST(SchedulerConfig, RefusesWhatItDoesNotUnderstandNamingTheField) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"[1]", "scheduler_config.json is not a JSON object"},
      {"{", "scheduler_config.json is not a JSON object"},
      {R"({"beta_start": "x"})", R"('beta_start' is "x", expected a number)"},
      {R"({"beta_schedule": "cosine"})", "'beta_schedule' is \"cosine\""},
      {R"({"num_train_timesteps": 0})", "'num_train_timesteps' is 0"},
      {R"({"num_train_timesteps": 1e12})", "'num_train_timesteps' is"},
      {R"({"prediction_type": "flow"})", "'prediction_type' is \"flow\""},
      {R"({"timestep_spacing": 3})", "'timestep_spacing' is 3, expected a string"},
      {R"({"trained_betas": [0.1]})", "'trained_betas' is [0.1]"},
      {R"({"trained_betas": ["a"]})", "'trained_betas' is [\"a\"]"},
      {R"({"clip_sample_range": 0})", "'clip_sample_range' is 0"},
      {R"({"set_alpha_to_one": 1})", "'set_alpha_to_one' is 1, expected true or false"},
  };
  for (const auto& c : cases) {
    try {
      parse(c.text);
      ADD_FAILURE() << "took " << c.text;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kModel);
      EXPECT_NE(std::string(e.what()).find(c.message), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace dedit

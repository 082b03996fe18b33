// What users and other tools call schedulers, and what is refused.
#include "schedulers/choice.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dedit/error.h"

namespace dedit {
namespace {

std::string chosen(const char* name) {
  const NamedScheduler named = scheduler_named(name);
  return std::string(named.scheduler->name) + (named.sigmas == Sigmas::kKarras ? " karras" : "");
}

TEST(Choice, TakesTheNamesOfOtherTools) {
  const struct {
    const char* name;
    const char* ours;
  } cases[] = {{"euler_a", "euler_a"},
               {"Euler a", "euler_a"},
               {"euler_ancestral", "euler_a"},
               {"k_euler", "euler"},
               {"DPM++ 2M", "dpmpp_2m"},
               {"dpm++_2m_karras", "dpmpp_2m karras"},
               {"DPM++ 2M SDE Karras", "dpmpp_2m_sde karras"},
               {"DPM++ 3M SDE", "dpmpp_3m_sde"},
               {"dpmpp_2m_sde_k", "dpmpp_2m_sde karras"},
               {"DPM2 a Karras", "dpm2_a karras"},
               {"dpm_2_ancestral", "dpm2_a"},
               {"LMS Karras", "lms karras"},
               {"PLMS", "pndm"},
               {"UniPC", "unipc"},
               {"uni_pc", "unipc"},
               {"Heun", "heun"},
               {"DDIM", "ddim"},
               {"EulerAncestralDiscreteScheduler", "euler_a"},
               {"FlowMatchEulerDiscreteScheduler", "flow_match_euler"}};
  for (const auto& c : cases) EXPECT_EQ(chosen(c.name), c.ours) << c.name;
}

TEST(Choice, EverySchedulerIsFoundByItsName) {
  for (const Scheduler* s : all_schedulers()) {
    EXPECT_EQ(scheduler_named(s->name).scheduler, s);
  }
}

Error refusal(const ScheduleRequest& request) {
  try {
    const ScheduleChoice choice = choose_schedule(request, SchedulerConfig{}, /*strict=*/true);
    choice.scheduler->make(choice.options);
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "took it";
  return Error(ErrorKind::kOther, "");
}

TEST(Choice, AnUnknownNameSuggestsTheNearest) {
  const Error e = refusal({.scheduler = "eulr_a"});
  EXPECT_EQ(e.kind(), ErrorKind::kUsage);
  EXPECT_EQ(std::string(e.what()), "scheduler eulr_a is unknown");
  EXPECT_NE(e.hint().find("did you mean euler_a?"), std::string::npos) << e.hint();
}

TEST(Choice, RefusesWhatTheSchedulerDoesNotHave) {
  EXPECT_EQ(std::string(refusal({.scheduler = "euler", .settings = {{"eta", "0.5"}}}).what()),
            "scheduler euler has no parameter eta");
  EXPECT_EQ(
      std::string(refusal({.scheduler = "unipc", .settings = {{"solver_order", "x"}}}).what()),
      "scheduler unipc: solver_order 'x' is not a whole number");
  EXPECT_EQ(
      std::string(refusal({.scheduler = "unipc", .settings = {{"solver_order", "9"}}}).what()),
      "scheduler unipc: solver_order 9 is outside 1..4");
  EXPECT_EQ(std::string(refusal({.scheduler = "ddim", .steps = 10000}).what()),
            "--steps 10000 is outside 1..1000");
  EXPECT_EQ(std::string(refusal({.scheduler = "ddim", .steps = 0}).what()),
            "--steps 0 is outside 1..1000");
  EXPECT_EQ(refusal({.scheduler = "ddim", .sigmas = "karras"}).kind(), ErrorKind::kUsage);
  EXPECT_EQ(refusal({.scheduler = "euler_a", .prediction = "sample"}).kind(), ErrorKind::kUsage);
  EXPECT_EQ(refusal({.spacing = "even"}).kind(), ErrorKind::kUsage);
}

TEST(Choice, WhatIsNotAvailableSaysWhy) {
  const auto says = [](const ScheduleRequest& request, const std::string& part) {
    const std::string message = refusal(request).what();
    EXPECT_NE(message.find(part), message.npos) << message;
  };
  says({.scheduler = "DPM++ SDE Karras"}, "Brownian tree");
  says({.scheduler = "DPMSolverSDEScheduler"}, "Brownian tree");
  const SchedulerConfig learned = parse_scheduler_config(
      R"({"_class_name": "DDPMScheduler", "variance_type": "learned"})", "test");
  try {
    choose_schedule({}, learned, /*strict=*/true);
    FAIL() << "taken";
  } catch (const Error& e) {
    const std::string message = e.what();
    EXPECT_NE(message.find("has to predict the variance"), message.npos) << message;
  }
}

std::vector<double> flow_sigmas(const std::map<std::string, std::string>& settings) {
  const ScheduleChoice choice =
      choose_schedule({.scheduler = "flow_match_euler", .steps = 4, .settings = settings},
                      SchedulerConfig{}, /*strict=*/true);
  return choice.scheduler->make(choice.options)->sigmas();
}

// Flux's pipelines: mu runs from base_shift at base_image_seq_len to max_shift at the other end.
TEST(Choice, DynamicShiftFollowsMuOrTheNumberOfTokens) {
  const std::string on = "true";
  EXPECT_EQ(flow_sigmas({{"use_dynamic_shifting", on}, {"image_seq_len", "4096"}}),
            flow_sigmas({{"use_dynamic_shifting", on}, {"mu", "1.15"}}));
  EXPECT_EQ(flow_sigmas({{"use_dynamic_shifting", on}, {"image_seq_len", "256"}}),
            flow_sigmas({{"use_dynamic_shifting", on}, {"mu", "0.5"}}));
  EXPECT_THROW(flow_sigmas({{"use_dynamic_shifting", on}}), Error);
  EXPECT_THROW(flow_sigmas({{"use_dynamic_shifting", on}, {"mu", "1e9"}}), Error);
}

TEST(Choice, SettingsReachTheParametersAndTheConfig) {
  const ScheduleChoice choice = choose_schedule(
      {.scheduler = "ddim", .steps = 10, .settings = {{"eta", "1"}, {"steps_offset", "0"}}},
      SchedulerConfig{}, /*strict=*/true);
  EXPECT_EQ(choice.options.params.at("eta"), 1);
  EXPECT_EQ(choice.options.config.beta_schedule, "scaled_linear");
  EXPECT_EQ(choice.scheduler->make(choice.options)->levels()[0].timestep, 900);
}

// The noisiest sigma's logarithm lies a bit below the table's in numpy's f32, not in libm's.
TEST(Choice, CutTimestepsFollowNumpysLogarithm) {
  const SchedulerConfig config = parse_scheduler_config(
      R"({"_class_name": "DPMSolverMultistepScheduler", "num_train_timesteps": 500,
          "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "scaled_linear",
          "use_exponential_sigmas": true})",
      "test");
  const ScheduleChoice choice = choose_schedule({.steps = 3}, config, /*strict=*/true);
  std::vector<double> timesteps;
  const auto solver = choice.scheduler->make(choice.options);
  for (const NoiseLevel& level : solver->levels()) timesteps.push_back(level.timestep);
  EXPECT_EQ(timesteps, (std::vector<double>{498, 98, 0}));  // diffusers'
}

TEST(Choice, ListsTakeThePlaceOfSteps) {
  const std::vector<double> ays = {999, 850, 736, 645, 545, 455, 343, 233, 124, 24};
  const ScheduleChoice choice = choose_schedule({.scheduler = "dpmpp_2m", .timesteps = ays},
                                                SchedulerConfig{}, /*strict=*/true);
  const auto solver = choice.scheduler->make(choice.options);
  ASSERT_EQ(solver->levels().size(), ays.size());
  for (size_t i = 0; i < ays.size(); ++i) EXPECT_EQ(solver->levels()[i].timestep, ays[i]);
}

}  // namespace
}  // namespace dedit

#include <numeric>

#include <gtest/gtest.h>

#include "schedulers/testbed.h"

#include "dedit/error.h"

namespace dedit {
namespace {

TEST(NoiseSchedule, AlphasCumprodAreTorchsToTheBit) {
  const nlohmann::json recorded = read_json("diffusers.json");
  for (const auto& row : recorded["schedules"]) {
    SchedulerConfig config;
    config.num_train_timesteps = row["num_train_timesteps"];
    config.beta_start = row["beta_start"];
    config.beta_end = row["beta_end"];
    config.beta_schedule = row["beta_schedule"];
    const NoiseSchedule schedule(config);
    ASSERT_EQ(schedule.size(), config.num_train_timesteps);
    for (size_t i = 0; i < row["at"].size(); ++i) {
      EXPECT_EQ(schedule.alpha_bar(row["at"][i]), row["alphas_cumprod"][i].get<float>()) << row;
    }
    const auto all = schedule.alphas_cumprod();
    EXPECT_NEAR(std::accumulate(all.begin(), all.end(), 0.0), row["sum"].get<double>(), 1e-9);
  }
}

TEST(NoiseSchedule, RefusesAnUnknownBetaSchedule) {
  SchedulerConfig config;
  config.beta_schedule = "no such";
  EXPECT_THROW(NoiseSchedule{config}, Error);
}

}  // namespace
}  // namespace dedit

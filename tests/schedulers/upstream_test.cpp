// The full-loop cases of the reference's own scheduler tests (tests/data/schedulers).
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "schedulers/testbed.h"

namespace dedit {
namespace {

constexpr int kNumel = 768;  // sample of shape (4, 3, 8, 8)

SolverOptions upstream_options(const nlohmann::json& row) {
  nlohmann::json config = row["config"];
  config["_class_name"] = row["scheduler"];
  SolverOptions options;
  options.steps = row["num_inference_steps"];
  options.config = parse_scheduler_config(config.dump(), row["scheduler"]);
  options.config.steps_offset = config.value("steps_offset", 0);
  return options;
}

const Scheduler& scheduler_of(const nlohmann::json& row) {
  return *find_scheduler_class(row["scheduler"].get<std::string>());
}

void run_case(const nlohmann::json& row) {
  Testbed bed;
  const SolverOptions options = upstream_options(row);
  const auto solver = scheduler_of(row).make(options);
  std::vector<float> sample(kNumel), noise(kNumel);
  for (int i = 0; i < kNumel; ++i) {
    sample[size_t(i)] = float(i) / kNumel;
    noise[size_t(i)] = float(kNumel - 1 - i) / kNumel;
  }
  const bool scales = row["loop"] == "scaled_in_place";
  const Tensor source = bed.tensor(sample);
  Tensor x = ops::lincomb(bed.ctx, {{scales ? solver->initial_scale() : 1.0, &source}});
  const int begin = row["t_start"].is_null() ? 0 : row["t_start"].get<int>();
  if (begin > 0) x = add_noise(bed.ctx, x, bed.tensor(noise), solver->levels()[size_t(begin)]);
  for (int i = begin; i < int(solver->levels().size()); ++i) {
    const NoiseLevel level = solver->levels()[size_t(i)];
    // These tests step the scaled sample, where pipelines scale the network's input alone.
    if (scales) x = ops::lincomb(bed.ctx, {{solver->input_scale(i), &x}});
    const double factor = level.timestep / (level.timestep + 1);
    const Tensor raw = ops::lincomb(bed.ctx, {{factor, &x}});
    x = solver->step(bed.ctx, i, x, to_estimate(bed.ctx, x, raw, level, options.config.prediction),
                     nullptr);
  }
  double sum = 0;
  for (float v : bed.host(x)) sum += std::abs(v);
  const auto near = [&](double value, const char* expected, const char* tolerance) {
    if (row[expected].is_null()) return;
    EXPECT_NEAR(value, row[expected].get<double>(), row[tolerance].get<double>()) << row["name"];
  };
  near(sum, "expected_sum", "tol_sum");
  near(sum / kNumel, "expected_mean", "tol_mean");
}

TEST(UpstreamCases, FullLoopsGiveTheExpectedSums) {
  const nlohmann::json data = read_json("upstream_cases.json");
  for (const auto& row : data["cases"]) run_case(row);
}

TEST(UpstreamCases, TimestepTablesAgree) {
  const nlohmann::json data = read_json("upstream_cases.json");
  for (const auto& row : data["tables"]) {
    const auto solver = scheduler_of(row).make(upstream_options(row));
    std::vector<double> timesteps;
    for (const NoiseLevel& level : solver->levels()) timesteps.push_back(level.timestep);
    EXPECT_EQ(timesteps, row["timesteps"].get<std::vector<double>>()) << row["name"];
  }
}

}  // namespace
}  // namespace dedit

// The full-loop cases of the reference's own scheduler tests (tests/data/schedulers).
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "schedulers/testbed.h"

namespace dedit {
namespace {

SolverOptions upstream_options(const nlohmann::json& row) {
  nlohmann::json config = row["config"];
  config["_class_name"] = row["scheduler"];
  SolverOptions options;
  options.steps = row["num_inference_steps"].is_null() ? 1000 : int(row["num_inference_steps"]);
  options.config = parse_scheduler_config(config.dump(), row["scheduler"], ConfigUse::kScheduler);
  if (row["scheduler"] == "TCDScheduler") options.params["eta"] = 0;  // the tests pass it
  return options;
}

/// Sample (4, 3, 8, 8) or (4, 3, 8): counted along the batch first, upwards or downwards.
Tensor counted(Testbed& bed, int per_picture, bool is_noise) {
  constexpr int kBatch = 4;
  const int n = kBatch * per_picture;
  std::vector<float> values;
  for (int b = 0; b < kBatch; ++b) {
    for (int k = 0; k < per_picture; ++k) {
      const int count = k * kBatch + b;
      values.push_back(float(is_noise ? n - 1 - count : count) / float(n));
    }
  }
  return ops::upload(bed.ctx, values.data(), {kBatch, per_picture}, DType::kF32);
}

Tensor draw(Testbed& bed, TorchCpuGenerator& generator, const Shape& shape) {
  std::vector<float> values(size_t(shape.numel()));
  generator.randn(values);
  return ops::upload(bed.ctx, values.data(), shape, DType::kF32);
}

void run_case(const nlohmann::json& row) {
  Testbed bed;
  const SolverOptions options = upstream_options(row);
  const Scheduler& scheduler = *find_scheduler_class(options.config);
  const auto solver = scheduler.make(options);
  TorchCpuGenerator generator(row["generator_seed"].is_null() ? 0 : int(row["generator_seed"]));
  const int per_picture = row["sample"] == "3d" ? 24 : 192;
  const bool scales = row["loop"] == "scaled_in_place";
  const Tensor source = counted(bed, per_picture, /*is_noise=*/false);
  Tensor x = ops::lincomb(bed.ctx, {{scales ? solver->initial_scale() : 1.0, &source}});
  const int start = row["t_start"].is_null() ? 0 : row["t_start"].get<int>();
  const int begin = start * solver->calls_per_step();
  if (begin > 0) {
    x = add_noise(bed.ctx, x, counted(bed, per_picture, /*is_noise=*/true),
                  solver->noising_level(begin));
  }
  for (int i = begin; i < int(solver->levels().size()); ++i) {
    const NoiseLevel level = solver->levels()[size_t(i)];
    // These tests step the scaled sample, where pipelines scale the network's input alone.
    if (scales) x = ops::lincomb(bed.ctx, {{solver->input_scale(i), &x}});
    const double factor = level.timestep / (level.timestep + 1);
    const Tensor raw = ops::lincomb(bed.ctx, {{factor, &x}});
    Estimate estimate = to_estimate(bed.ctx, x, raw, level, options.config.prediction);
    estimate.x0 = limit_x0(bed.ctx, estimate.x0, options.config, scheduler);
    std::optional<Tensor> noise;
    if (solver->draws_noise(i)) noise = draw(bed, generator, x.shape());
    x = solver->step(bed.ctx, i, x, estimate, noise ? &*noise : nullptr);
  }
  double sum = 0;
  for (float v : bed.host(x)) sum += std::abs(v);
  const auto near = [&](double value, const char* expected, const char* tolerance) {
    if (row[expected].is_null()) return;
    EXPECT_NEAR(value, row[expected].get<double>(), row[tolerance].get<double>()) << row["name"];
  };
  near(sum, "expected_sum", "tol_sum");
  near(sum / (4 * per_picture), "expected_mean", "tol_mean");
}

TEST(UpstreamCases, FullLoopsGiveTheExpectedSums) {
  const nlohmann::json data = read_json("upstream_cases.json");
  for (const auto& row : data["cases"]) run_case(row);
}

TEST(UpstreamCases, TablesAgree) {
  const nlohmann::json data = read_json("upstream_cases.json");
  for (const auto& row : data["tables"]) {
    if (row.contains("function")) continue;
    const SolverOptions options = upstream_options(row);
    const auto solver = find_scheduler_class(options.config)->make(options);
    std::vector<double> timesteps;
    for (const NoiseLevel& level : solver->levels()) timesteps.push_back(level.timestep);
    const auto sigmas = row.value("sigmas", std::vector<double>{});
    for (size_t i = 0; i < sigmas.size(); ++i) {
      EXPECT_NEAR(solver->sigmas()[i], sigmas[i], 1e-6) << row["name"];
    }
    if (sigmas.empty()) {
      EXPECT_EQ(timesteps, row["timesteps"].get<std::vector<double>>()) << row["name"];
    } else {
      for (size_t i = 0; i < timesteps.size(); ++i) {
        EXPECT_EQ(timesteps[i], std::trunc(sigmas[i] * 1000)) << row["name"];
      }
    }
  }
}

/// What a step makes of noise 1 where all else is 0, squared: the variance that it adds. 0 where it
/// draws none.
double added_variance(const Scheduler& scheduler, const SolverOptions& options, int timestep) {
  Testbed bed;
  const auto solver = scheduler.make(options);
  const auto at = [&](const NoiseLevel& level) { return level.timestep == timestep; };
  const auto& levels = solver->levels();
  const int i = int(std::find_if(levels.begin(), levels.end(), at) - levels.begin());
  if (!solver->draws_noise(i)) return 0;
  const Tensor none = bed.tensor({0}), one = bed.tensor({1});
  const Estimate estimate{.x0 = none, .eps = none};
  const double deviation = bed.host(solver->step(bed.ctx, i, none, estimate, &one))[0];
  return deviation * deviation;
}

/// [t, previous t, variance] or [t, variance], of a step of the distance to the previous t.
TEST(UpstreamCases, VariancesAgree) {
  const nlohmann::json data = read_json("upstream_cases.json");
  for (const auto& row : data["tables"]) {
    if (!row.contains("function")) continue;
    nlohmann::json run = row;
    run["num_inference_steps"] = nullptr;       // every timestep
    run["config"]["set_alpha_to_one"] = false;  // the step from 0 ends at 0
    SolverOptions options = upstream_options(run);
    const Scheduler& scheduler = *find_scheduler_class(options.config);
    if (row["scheduler"] == "DDIMScheduler") options.params["eta"] = 1;
    for (const auto& value : row["values"]) {
      const int distance = value.size() == 3 ? int(value[0]) - int(value[1]) : 1;
      options.steps = 1000 / std::max(distance, 1);
      EXPECT_NEAR(added_variance(scheduler, options, value[0]), value.back().get<double>(),
                  row["tolerance"].get<double>())
          << row["name"] << value;
    }
  }
}

}  // namespace
}  // namespace dedit

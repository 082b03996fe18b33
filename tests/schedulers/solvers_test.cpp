// The schedulers against trajectories of the reference, and what must hold between them.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "schedulers/testbed.h"

#include "dedit/error.h"

namespace dedit {
namespace {

std::string label(const nlohmann::json& row) {
  nlohmann::json short_row = row;
  for (const char* key : {"samples", "timesteps", "sigmas"}) short_row.erase(key);
  return short_row.dump();
}

void check_levels(const Solver& solver, const nlohmann::json& row) {
  const auto timesteps = row["timesteps"].get<std::vector<double>>();
  const auto sigmas = row.value("sigmas", std::vector<double>{});
  ASSERT_EQ(solver.levels().size(), timesteps.size()) << label(row);
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const NoiseLevel& level = solver.levels()[i];
    // Karras timesteps are interpolated between f32 logarithms.
    const double tolerance = row["karras"] ? 1e-6 * timesteps[i] + 2e-4 : 0;
    EXPECT_NEAR(level.timestep, timesteps[i], tolerance) << label(row);
    if (sigmas.empty()) continue;
    EXPECT_NEAR(level.sigma / level.alpha, sigmas[i], 3e-7 * sigmas[i]) << label(row);
  }
  const double scale = row["init_noise_sigma"];
  EXPECT_NEAR(solver.initial_scale(), scale, 2e-7 * scale) << label(row);
}

void check_trajectory(const nlohmann::json& row) {
  Testbed bed;
  const SolverOptions options = options_of(row);
  const Scheduler& scheduler = *find_scheduler(row["scheduler"].get<std::string>());
  const auto solver = scheduler.make(options);
  check_levels(*solver, row);
  const int begin = row["begin"];
  const std::vector<float> start = {1.25f, -0.5f, 0.125f, 2.0f};
  const Tensor noise = bed.tensor(start);
  const Tensor source = bed.tensor({0.5f, -1.0f, 0.25f, 0.75f});
  Tensor x = ops::lincomb(bed.ctx, {{solver->initial_scale(), &noise}});
  if (begin > 0) x = add_noise(bed.ctx, source, noise, solver->levels()[size_t(begin)]);
  int i = begin;
  for (const auto& expected : row["samples"]) {
    x = run_step(bed, scheduler, *solver, i++, x, options.config, recorded_network);
    const std::vector<float> values = bed.host(x);
    for (size_t k = 0; k < values.size(); ++k) {
      const double e = expected[k];
      // Ten steps of f32 rounding on the reference's side, in coefficients up to sigma.
      EXPECT_NEAR(values[k], e, 1e-5 * std::max(1.0, std::abs(e))) << "step " << i << label(row);
    }
  }
  EXPECT_EQ(size_t(i), solver->levels().size());
}

TEST(Solvers, FollowTheReferencesTrajectories) {
  const nlohmann::json recorded = read_json("diffusers.json");
  for (const auto& row : recorded["trajectories"]) check_trajectory(row);
}

TEST(Solvers, HaveTheReferencesTimestepsAtAwkwardStepCounts) {
  const nlohmann::json recorded = read_json("diffusers.json");
  for (const auto& row : recorded["tables"]) {
    const auto solver = make_solver(row["scheduler"], options_of(row));
    std::vector<float> t;
    double sum = 0;
    for (const NoiseLevel& level : solver->levels()) {
      t.push_back(float(level.timestep));
      sum += level.timestep;
    }
    ASSERT_EQ(t.size(), row["count"].get<size_t>()) << row;
    const auto first = row["first"].get<std::vector<float>>();
    const auto last = row["last"].get<std::vector<float>>();
    EXPECT_TRUE(std::equal(first.begin(), first.end(), t.begin())) << row;
    EXPECT_TRUE(std::equal(last.rbegin(), last.rend(), t.rbegin())) << row;
    EXPECT_NEAR(sum, row["sum"].get<double>(), 1e-6 * sum) << row;
  }
}

TEST(Solvers, LevelsDescendAndStartScaleIsPositive) {
  for (const Scheduler* scheduler : all_schedulers()) {
    if (scheduler->inverts) continue;
    for (int steps : {1, 2, 20, 50}) {
      SolverOptions options = options_for(*scheduler);
      options.steps = steps;
      const auto solver = scheduler->make(options);
      EXPECT_GT(solver->initial_scale(), 0) << scheduler->name;
      for (size_t i = 1; i < solver->levels().size(); ++i) {
        const NoiseLevel& a = solver->levels()[i - 1];
        const NoiseLevel& b = solver->levels()[i];
        // The middle of dpm2_a's steps is the next sigma but for rounding.
        EXPECT_LE(b.sigma / b.alpha, a.sigma / a.alpha * (1 + 1e-6))
            << scheduler->name << " " << steps;
      }
    }
  }
}

TEST(Solvers, RefuseStepCountsOutsideTheTrainingRange) {
  for (const Scheduler* scheduler : all_schedulers()) {
    for (int steps : {-1, 0, 1001}) {
      SolverOptions options;
      options.steps = steps;
      try {
        scheduler->make(options);
        ADD_FAILURE() << scheduler->name << " took " << steps << " steps";
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::kUsage);
        EXPECT_EQ(e.what(), "--steps " + std::to_string(steps) + " is outside 1..1000");
      }
    }
  }
}

TEST(Solvers, KarrasSigmasAreForSigmaTablesOnly) {
  for (const Scheduler* scheduler : all_schedulers()) {
    SolverOptions options = options_for(*scheduler);
    options.sigmas = Sigmas::kKarras;
    if (scheduler->karras) {
      EXPECT_NO_THROW(scheduler->make(options)) << scheduler->name;
    } else {
      EXPECT_THROW(scheduler->make(options), Error) << scheduler->name;
    }
  }
}

TEST(Solvers, ACheckpointsKarrasSettingIsIgnoredWithoutASigmaTable) {
  SolverOptions options;
  options.config.sigmas = Sigmas::kKarras;
  EXPECT_EQ(make_solver("ddim", options)->levels()[0].timestep, 951);
  EXPECT_NEAR(make_solver("euler", options)->levels()[1].sigma, 11.7253723, 1e-6);
}

// Both integrate the same equation by the same rule, one on x, the other on x / alpha.
TEST(Solvers, DdimAndEulerWalkTheSamePath) {
  Testbed bed;
  SolverOptions options;
  options.spacing = Spacing::kLeading;
  options.config.set_alpha_to_one = true;
  const auto ddim = make_solver("ddim", options);
  const auto euler = make_solver("euler", options);
  Tensor x = bed.tensor({1.25f, -0.5f, 0.125f, 2.0f});
  const double alpha = ddim->levels()[0].alpha;
  Tensor y = ops::lincomb(bed.ctx, {{1 / alpha, &x}});
  for (int i = 0; i < options.steps; ++i) {
    EXPECT_EQ(ddim->levels()[size_t(i)].timestep, euler->levels()[size_t(i)].timestep);
    x = run_step(bed, *find_scheduler("ddim"), *ddim, i, x, options.config, recorded_network);
    y = run_step(bed, *find_scheduler("euler"), *euler, i, y, options.config, recorded_network);
  }
  const std::vector<float> a = bed.host(x), b = bed.host(y);
  for (size_t k = 0; k < a.size(); ++k) EXPECT_NEAR(a[k], b[k], 2e-5) << k;
}

TEST(Solvers, Dpmpp2mRefusesRepeatedTimesteps) {
  SolverOptions options;
  options.steps = 1000;
  EXPECT_THROW(make_solver("dpmpp_2m", options), Error);
}

TEST(Solvers, DpmInverseWalksUpToTheNoisiestTimestepWithoutNoise) {
  SolverOptions options;
  options.steps = 4;
  const auto solver = make_solver("dpm_multistep_inverse", options);
  for (size_t i = 1; i < solver->levels().size(); ++i) {
    EXPECT_GT(solver->levels()[i].sigma, solver->levels()[i - 1].sigma);
    EXPECT_GT(solver->levels()[i].timestep, solver->levels()[i - 1].timestep);
  }
  EXPECT_FALSE(solver->draws_noise(0));
  options.config.settings["algorithm_type"] = "sde-dpmsolver++";
  EXPECT_THROW(make_solver("dpm_multistep_inverse", options), Error);
  options.config.settings["algorithm_type"] = "dpmsolver++";
  options.steps = 1000;  // rounding repeats a timestep
  EXPECT_THROW(make_solver("dpm_multistep_inverse", options), Error);
}

TEST(Solvers, PndmWithRungeKuttaStartNeedsFourSteps) {
  SolverOptions options;
  options.config.skip_prk_steps = false;
  options.steps = 3;
  EXPECT_THROW(make_solver("pndm", options), Error);
  options.steps = 4;
  EXPECT_EQ(make_solver("pndm", options)->levels().size(), 13u);
}

TEST(Registry, FindsByNameAndClass) {
  EXPECT_EQ(find_scheduler("euler")->diffusers_class, "EulerDiscreteScheduler");
  SchedulerConfig config;
  EXPECT_EQ(find_scheduler_class(config), nullptr);
  config.class_name = "PNDMScheduler";
  EXPECT_EQ(find_scheduler_class(config)->name, "pndm");
  EXPECT_EQ(find_scheduler("no such"), nullptr);
}

}  // namespace
}  // namespace dedit

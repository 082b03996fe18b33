// Order of convergence on data of known distribution: x0 ~ N(m, v) makes the best estimate linear,
// and the exact path keeps (x - alpha m) / sqrt(alpha^2 v + sigma^2) constant. In double.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "schedulers/testbed.h"

namespace dedit {
namespace {

constexpr double kMean = 0.7;
constexpr double kVariance = 0.5;
constexpr double kStart = 1.3;

double spread(const NoiseLevel& level) {
  return std::sqrt(level.alpha * level.alpha * kVariance + level.sigma * level.sigma);
}

double exact(const NoiseLevel& level) {
  return level.alpha * kMean + kStart * spread(level);
}

Tensor scalar(Testbed& bed, double value) {
  Tensor x = bed.ctx.pool.make({1, 1}, DType::kF64);
  x.data<double>()[0] = value;
  return x;
}

Estimate best_estimate(Testbed& bed, const Tensor& x, const NoiseLevel& level) {
  const double a = level.alpha, s = level.sigma;
  const double deviation = x.data<double>()[0] - a * kMean;
  const double variance = spread(level) * spread(level);
  return {.x0 = scalar(bed, kMean + a * kVariance / variance * deviation),
          .eps = scalar(bed, s / variance * deviation)};
}

/// Error at three quarters of n steps. 3840 training steps make the grids uniform and their ends
/// (timesteps 3839 and 959) the same for every n used, so that only the step size differs. The
/// first `n_exact` steps begin on the exact path: a multistep method then has an exact history.
double error_after(const Scheduler& scheduler, int n, int n_exact) {
  Testbed bed;
  SolverOptions options = options_for(scheduler);
  options.steps = n;
  options.spacing = Spacing::kTrailing;
  options.config.num_train_timesteps = 3840;
  options.config.beta_start /= 4;  // as far as Stable Diffusion's 1000 go
  options.config.beta_end /= 4;
  const auto solver = scheduler.make(options);
  const auto& levels = solver->levels();
  const int calls = solver->calls_per_step();
  const int extra = std::max(0, int(levels.size()) - n * calls);  // pndm's repeated call
  const int end = n * 3 / 4 * calls + extra;
  // Pure noise is a pole of sigma / alpha, and a clean picture one of its logarithm: steps from
  // there do not grow small with n.
  if ((levels[0].alpha == 0 || scheduler.inverts) && n_exact > 0) n_exact = n / 4;
  Tensor x = scalar(bed, exact(levels[0]));
  for (int i = 0; i < end; ++i) {
    const NoiseLevel& level = levels[size_t(i)];
    if (i % calls == 0 && i / calls < n_exact + extra) x = scalar(bed, exact(level));
    x = solver->step(bed.ctx, i, x, best_estimate(bed, x, level), nullptr);
  }
  // Some grids end half a percent of the way beside it, which moves the error, not its order. One
  // counts times from 0 to 1, and has its levels from the share of the steps alone.
  const double stop = levels[size_t(end)].timestep;
  if (scheduler.unit_time) {
    EXPECT_NEAR(stop, 0.0935, 1e-4);
  } else {
    EXPECT_NEAR(stop, scheduler.inverts ? 2880 : 959, scheduler.inverts ? 24 : 17);
  }
  return std::abs(x.data<double>()[0] - exact(levels[size_t(end)]));
}

constexpr int kLongestHistory = 4;

/// Orders between 160, 320 and 640 steps.
std::vector<double> orders(const Scheduler& scheduler, int n_exact) {
  std::vector<double> errors, found;
  for (int n : {160, 320, 640}) errors.push_back(error_after(scheduler, n, n_exact));
  for (size_t i = 1; i < errors.size(); ++i) found.push_back(std::log2(errors[i - 1] / errors[i]));
  return found;
}

TEST(Convergence, OrderIsTheRegistrysBehindExactStartingValues) {
  for (const Scheduler* scheduler : all_schedulers()) {
    if (scheduler->stochastic) continue;
    const std::vector<double> exact_start = orders(*scheduler, kLongestHistory);
    const std::vector<double> own_start = orders(*scheduler, 0);
    char row[80];
    std::snprintf(row, sizeof row, "%.2f %.2f, own start %.2f %.2f", exact_start[0], exact_start[1],
                  own_start[0], own_start[1]);
    RecordProperty(std::string(scheduler->name), row);
    for (double order : exact_start) {
      EXPECT_NEAR(order, scheduler->order, 0.15) << scheduler->name;
    }
  }
}

}  // namespace
}  // namespace dedit

// Order of convergence on data of known distribution: x0 ~ N(m, v) makes the best estimate linear,
// and the exact path keeps (x - alpha m) / sqrt(alpha^2 v + sigma^2) constant.
#include <cmath>

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

Estimate best_estimate(Testbed& bed, const Tensor& x, const NoiseLevel& level) {
  const double a = level.alpha, s = level.sigma;
  const double deviation = bed.host(x)[0] - a * kMean;
  const double variance = spread(level) * spread(level);
  return {.x0 = bed.tensor({float(kMean + a * kVariance / variance * deviation)}),
          .eps = bed.tensor({float(s / variance * deviation)})};
}

/// Error at three quarters of n steps. 960 training steps make the grids uniform and their ends
/// (timesteps 959 and 239) the same for every n used, so that only the step size differs.
double error_after(const Scheduler& scheduler, int n) {
  Testbed bed;
  SolverOptions options;
  options.steps = n;
  options.spacing = Spacing::kTrailing;
  options.config.num_train_timesteps = 960;
  const auto solver = scheduler.make(options);
  const auto& levels = solver->levels();
  const double normalised = kStart;
  Tensor x = bed.tensor({float(levels[0].alpha * kMean + normalised * spread(levels[0]))});
  const int extra = int(levels.size()) - n;  // calls beyond one per step, at the start
  const int end = n * 3 / 4 + extra;
  for (int i = 0; i < end; ++i) {
    x = solver->step(bed.ctx, i, x, best_estimate(bed, x, levels[size_t(i)]), nullptr);
  }
  const NoiseLevel& level = levels[size_t(end)];
  EXPECT_EQ(level.timestep, 239);
  return std::abs(bed.host(x)[0] - (level.alpha * kMean + normalised * spread(level)));
}

TEST(Convergence, OrderIsTheRegistrys) {
  for (const Scheduler* scheduler : all_schedulers()) {
    const double e40 = error_after(*scheduler, 40);
    const double e80 = error_after(*scheduler, 80);
    const double e160 = error_after(*scheduler, 160);
    const double first = std::log2(e40 / e80);
    const double second = std::log2(e80 / e160);
    RecordProperty(std::string(scheduler->name),
                   std::to_string(first) + " " + std::to_string(second));
    EXPECT_NEAR(first, scheduler->order, 0.15)
        << scheduler->name << " errors " << e40 << " " << e80;
    EXPECT_NEAR(second, scheduler->order, 0.15)
        << scheduler->name << " errors " << e80 << " " << e160;
  }
}

}  // namespace
}  // namespace dedit

#include <cmath>

#include <gtest/gtest.h>

#include "schedulers/testbed.h"

namespace dedit {
namespace {

constexpr float kX0 = 0.8f;
constexpr float kEps = -1.3f;

float raw_of(Prediction prediction, const NoiseLevel& level) {
  const double c = std::sqrt(level.alpha * level.alpha + level.sigma * level.sigma);
  if (prediction == Prediction::kEpsilon) return kEps;
  if (prediction == Prediction::kSample) return kX0;
  return float((level.alpha * kEps - level.sigma * kX0) / c);
}

TEST(ToEstimate, RecoversSampleAndNoiseInEveryStateForm) {
  Testbed bed;
  const NoiseLevel levels[] = {{0.6, 0.8, 500},   // variance preserving
                               {1.0, 7.5, 800},   // variance exploding
                               {0.3, 0.7, 700}};  // flow
  for (const NoiseLevel& level : levels) {
    const Tensor x = bed.tensor({float(level.alpha * kX0 + level.sigma * kEps)});
    for (Prediction p : {Prediction::kEpsilon, Prediction::kV, Prediction::kSample}) {
      const Estimate e = to_estimate(bed.ctx, x, bed.tensor({raw_of(p, level)}), level, p);
      EXPECT_NEAR(bed.host(e.x0)[0], kX0, 4e-6) << level.sigma << " prediction " << int(p);
      EXPECT_NEAR(bed.host(e.eps)[0], kEps, 4e-6) << level.sigma << " prediction " << int(p);
    }
  }
}

TEST(AddNoise, IsTheStateFormula) {
  Testbed bed;
  const Tensor y = add_noise(bed.ctx, bed.tensor({2, -1}), bed.tensor({0.5f, 4}), {0.6, 0.8, 1});
  EXPECT_FLOAT_EQ(bed.host(y)[0], 1.6f);
  EXPECT_FLOAT_EQ(bed.host(y)[1], 2.6f);
}

}  // namespace
}  // namespace dedit

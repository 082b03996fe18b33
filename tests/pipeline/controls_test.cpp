// How strong a control is, by the rules of the tools they came from.
#include "pipeline/controls.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

namespace dedit {
namespace {

/// The calls of ten, from timestep 999 down to 99, at which the control acts: "1110000000".
std::string active(Compat compat, double start, double end) {
  EditPlan plan;
  plan.compat = compat;
  plan.n_calls = 10;
  const ActiveControl control{.scale = 1, .start = start, .end = end};
  std::string calls;
  for (int i = 0; i < plan.n_calls; ++i) {
    const NoiseLevel level{.alpha = 1, .sigma = 1, .timestep = 999.0 - 100 * i};
    calls += strength_at(control, plan, i, level) != 0 ? '1' : '0';
  }
  return calls;
}

TEST(ControlWindow, FollowsTheRuleAskedFor) {
  for (Compat compat : {Compat::kOwn, Compat::kDiffusers}) {
    EXPECT_EQ(active(compat, 0, 1), "1111111111");
    EXPECT_EQ(active(compat, 0, 0.3), "1110000000");
    EXPECT_EQ(active(compat, 0.25, 0.5), "0001100000");
  }
  EXPECT_EQ(active(Compat::kWebui, 0, 0.3), "1111000000");  // both ends included
  EXPECT_EQ(active(Compat::kComfy, 0, 0.25), "1110000000");
  EXPECT_EQ(active(Compat::kComfy, 0.35, 1), "0000111111");  // timestep 649 and below
}

TEST(ControlWindow, AScaleOfZeroNeverActs) {
  EditPlan plan;
  plan.n_calls = 1;
  EXPECT_EQ(strength_at({.scale = 0}, plan, 0, {}), 0);
}

TEST(ControlCurve, IsStraightBetweenItsPointsAndConstantBeyond) {
  const std::vector<CurvePoint> curve = {{0.2, 1}, {0.6, 0.4}, {0.8, 0}};
  EXPECT_EQ(curve_at({}, 0.3), 1);
  EXPECT_EQ(curve_at(curve, 0), 1);
  EXPECT_NEAR(curve_at(curve, 0.4), 0.7, 1e-15);
  EXPECT_NEAR(curve_at(curve, 0.6), 0.4, 1e-15);
  EXPECT_NEAR(curve_at(curve, 0.7), 0.2, 1e-15);
  EXPECT_EQ(curve_at(curve, 1), 0);
}

TEST(ControlCurve, GoesFromTheFirstCallToTheLast) {
  EditPlan plan;
  plan.n_calls = 5;
  const ActiveControl control{.scale = 2, .curve = {{0, 1}, {1, 0}}};
  for (int i = 0; i < 5; ++i) {
    EXPECT_NEAR(strength_at(control, plan, i, {}), 2 * (1 - i / 4.0), 1e-15);
  }
  plan.n_calls = 1;
  EXPECT_EQ(strength_at(control, plan, 0, {}), 2);
}

TEST(ControlMode, WeighsTheResidualsAsTheWebUiDoes) {
  // The 13 numbers of its "my prompt is more important".
  const double expected[] = {.0994, .1205, .1461, .1770, .2146, .2601, .3153,
                             .3822, .4633, .5615, .6806, .8250, 1.0000};
  for (const ControlMode mode : {ControlMode::kPrompt, ControlMode::kControl}) {
    const std::vector<double> weights = layer_weights(mode, 13);
    ASSERT_EQ(weights.size(), 13u);
    for (size_t i = 0; i < 13; ++i) EXPECT_NEAR(weights[i], expected[i], 5e-5) << i;
  }
  EXPECT_TRUE(layer_weights(ControlMode::kBalanced, 13).empty());
  EXPECT_TRUE(layer_weights(ControlMode::kUnbalanced, 13).empty());
}

TEST(ControlMode, GuessWeighsThemAsDiffusersLogspaceDoes) {
  const std::vector<double> weights = layer_weights(ControlMode::kGuess, 13);
  EXPECT_NEAR(weights[0], 0.1, 1e-12);
  EXPECT_NEAR(weights[1], 0.1211527659, 1e-9);
  EXPECT_EQ(weights[12], 1);
}

}  // namespace
}  // namespace dedit

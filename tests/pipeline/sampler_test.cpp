// Control windows by the rules of the tools they came from.
#include "pipeline/sampler.h"

#include <string>

#include <gtest/gtest.h>

namespace dedit {
namespace {

/// The calls of ten, from timestep 999 down to 99, at which the control acts: "1110000000".
std::string active(Compat compat, double start, double end) {
  EditPlan plan;
  plan.compat = compat;
  plan.n_calls = 10;
  const ActiveControl control{
      .model = nullptr, .hint_features = {}, .scale = 1, .start = start, .end = end};
  std::string calls;
  for (int i = 0; i < plan.n_calls; ++i) {
    const NoiseLevel level{.alpha = 1, .sigma = 1, .timestep = 999.0 - 100 * i};
    calls += is_active(control, plan, i, level) ? '1' : '0';
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
  EXPECT_FALSE(is_active({.model = nullptr, .hint_features = {}, .scale = 0}, plan, 0, {}));
}

}  // namespace
}  // namespace dedit

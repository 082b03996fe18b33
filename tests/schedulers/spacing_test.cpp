#include <vector>

#include <gtest/gtest.h>

#include "schedulers/testbed.h"

#include "dedit/error.h"

namespace dedit {
namespace {

TEST(SpacedTimesteps, StableDiffusionsLeadingTable) {
  const auto t = spaced_timesteps(Spacing::kLeading, 5, 1000, 1, false);
  EXPECT_EQ(t, (std::vector<double>{801, 601, 401, 201, 1}));
}

TEST(SpacedTimesteps, LinspaceRoundsHalvesToEvenUnlessFractional) {
  // 999 / 2 = 499.5
  EXPECT_EQ(spaced_timesteps(Spacing::kLinspace, 3, 1000, 0, false)[1], 500);
  EXPECT_EQ(spaced_timesteps(Spacing::kLinspace, 3, 1000, 0, true)[1], 499.5);
  // 999 / 6 = 166.5
  EXPECT_EQ(spaced_timesteps(Spacing::kLinspace, 7, 1000, 0, false)[5], 166);
}

TEST(SpacedTimesteps, TrailingIgnoresTheOffset) {
  const auto t = spaced_timesteps(Spacing::kTrailing, 4, 1000, 1, false);
  EXPECT_EQ(t, (std::vector<double>{999, 749, 499, 249}));
}

// numpy.arange(1000, 0, -1000 / n) has n + 1 elements for these n, found by counting all to 1000.
TEST(SpacedTimesteps, TrailingRefusesTheStepCountsThatTheReferenceGetsWrong) {
  int refused = 0;
  for (int n = 1; n <= 1000; ++n) {
    try {
      const auto t = spaced_timesteps(Spacing::kTrailing, n, 1000, 1, false);
      EXPECT_EQ(int(t.size()), n);
      EXPECT_GE(t.back(), 0) << n;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
      ++refused;
    }
  }
  EXPECT_EQ(refused, 62);
  for (int n : {61, 103, 121, 122, 201, 206, 217, 223, 227, 233, 242, 244}) {
    EXPECT_THROW(spaced_timesteps(Spacing::kTrailing, n, 1000, 1, false), Error) << n;
  }
}

TEST(SpacedTimesteps, LeadingRefusesAnOffsetPastTheLastTimestep) {
  EXPECT_NO_THROW(spaced_timesteps(Spacing::kLeading, 1000, 1000, 0, false));
  EXPECT_THROW(spaced_timesteps(Spacing::kLeading, 1000, 1000, 1, false), Error);
}

}  // namespace
}  // namespace dedit

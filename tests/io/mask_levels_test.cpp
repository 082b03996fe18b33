#include "io/mask_levels.h"

#include <numeric>

#include <gtest/gtest.h>

namespace dedit {
namespace {

/// White where x is below `edge`.
Image left_part(int w, int h, int edge) {
  Image mask(w, h, 1);
  for (int y = 0; y < h; ++y) std::fill_n(mask.row<uint8_t>(y), edge, uint8_t{255});
  return mask;
}

TEST(MaskLevels, CellsAreMeansOfTheirPixelsAtEveryLevel) {
  const auto levels = mask_levels(left_part(40, 24, 20), 40, 24, 8, 4);
  ASSERT_EQ(levels.size(), 4u);
  EXPECT_EQ(levels[0].columns, 5);
  EXPECT_EQ(levels[0].rows, 3);
  EXPECT_EQ(std::vector<float>(levels[0].values.begin(), levels[0].values.begin() + 5),
            (std::vector<float>{1, 1, 0.5f, 0, 0}));
  EXPECT_EQ(levels[1].columns, 3);  // rounded up, as strided convolutions do
  EXPECT_EQ(levels[1].rows, 2);
  EXPECT_EQ(levels[1].values, (std::vector<float>{1, 0.25f, 0, 1, 0.25f, 0}));
  EXPECT_EQ(levels[2].columns, 2);
  EXPECT_EQ(levels[3].values.size(), 1u);
}

TEST(MaskLevels, AllWhiteIsExactlyOneAndAllBlackZero) {
  for (const auto make : {mask_levels, sampled_mask_levels}) {
    for (const auto& level : make(left_part(37, 21, 37), 40, 24, 8, 4)) {
      for (float v : level.values) EXPECT_EQ(v, 1.0f);
    }
    for (const auto& level : make(left_part(37, 21, 0), 40, 24, 8, 4)) {
      for (float v : level.values) EXPECT_EQ(v, 0.0f);
    }
  }
}

TEST(MaskLevels, SamplingMissesWhatLiesBetweenSamples) {
  Image mask(16, 8, 1);
  mask.row<uint8_t>(0)[0] = 255;
  EXPECT_GT(mask_levels(mask, 16, 8, 8, 1)[0].values[0], 0.0f);
  EXPECT_EQ(sampled_mask_levels(mask, 16, 8, 8, 1)[0].values[0], 0.0f);
}

}  // namespace
}  // namespace dedit

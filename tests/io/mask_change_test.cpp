#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

Image noise_mask(int width, int height, uint32_t seed, int share) {
  Image mask(width, height, 1);
  std::mt19937 engine(seed);
  for (std::byte& b : mask.data)
    b = engine() % 100 < uint32_t(share) ? std::byte{255} : std::byte{0};
  return mask;
}

uint8_t at(const Image& mask, int x, int y) {
  return mask.row<uint8_t>(y)[x];
}

TEST(CombineMasks, IsMaxMinAndRest) {
  Image a(3, 1, 1);
  Image b(3, 1, 1);
  a.data = {std::byte{0}, std::byte{100}, std::byte{255}};
  b.data = {std::byte{50}, std::byte{200}, std::byte{55}};
  const std::vector<Image> both = {a, b};
  const auto values = [&](MaskOp op) {
    const Image m = combine_masks(both, op);
    return std::vector<int>{at(m, 0, 0), at(m, 1, 0), at(m, 2, 0)};
  };
  EXPECT_EQ(values(MaskOp::kUnion), (std::vector<int>{50, 200, 255}));
  EXPECT_EQ(values(MaskOp::kIntersect), (std::vector<int>{0, 100, 55}));
  EXPECT_EQ(values(MaskOp::kSubtract), (std::vector<int>{0, 55, 200}));
  EXPECT_THROW(combine_masks(std::vector<Image>{a, Image(2, 1, 1)}, MaskOp::kUnion), Error);
}

/// Every pixel whose neighbourhood holds a white one: slowly.
Image slow_grow(const Image& mask, int radius, MaskBrush brush) {
  Image out(mask.width, mask.height, 1);
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      for (int j = std::max(0, y - radius); j <= std::min(mask.height - 1, y + radius); ++j) {
        for (int i = std::max(0, x - radius); i <= std::min(mask.width - 1, x + radius); ++i) {
          const int d2 = (i - x) * (i - x) + (j - y) * (j - y);
          if (brush == MaskBrush::kDisc && d2 > radius * radius) continue;
          uint8_t& dst = out.row<uint8_t>(y)[x];
          dst = std::max(dst, at(mask, i, j));
        }
      }
    }
  }
  return out;
}

TEST(GrowMask, EqualsTheDefinition) {
  for (const int radius : {0, 1, 2, 5}) {
    for (const MaskBrush brush : {MaskBrush::kDisc, MaskBrush::kBox}) {
      Image mask = noise_mask(31, 23, uint32_t(radius), 4);
      EXPECT_TRUE(grow_mask(mask, radius, brush).data == slow_grow(mask, radius, brush).data);
      EXPECT_TRUE(shrink_mask(invert_mask(mask), radius, brush).data ==
                  invert_mask(slow_grow(mask, radius, brush)).data);
      mask.row<uint8_t>(11)[15] = 90;  // not only black and white
      EXPECT_TRUE(grow_mask(mask, radius, brush).data == slow_grow(mask, radius, brush).data);
    }
  }
}

TEST(ShrinkMask, DoesNotComeFromTheBorder) {
  const Image white = invert_mask(Image(9, 9, 1));
  EXPECT_TRUE(shrink_mask(white, 3, MaskBrush::kDisc).data == white.data);
  EXPECT_TRUE(shrink_mask(white, 3, MaskBrush::kBox).data == white.data);
}

TEST(FeatherMask, InwardIsTheBoxsOwnFeather) {
  const Image box = box_mask(40, 40, 10, 10, 20, 20, 0);
  const Image feathered = feather_mask(box, 4, FeatherSide::kIn);
  const Image expected = box_mask(40, 40, 10, 10, 20, 20, 4);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(at(feathered, i, 20), at(expected, i, 20)) << i;
}

TEST(FeatherMask, KeepsTheSideThatItIsTold) {
  const Image box = box_mask(60, 60, 20, 20, 20, 20, 0);
  for (const FeatherSide side : {FeatherSide::kIn, FeatherSide::kOut, FeatherSide::kBoth}) {
    const Image soft = feather_mask(box, 6, side);
    for (int y = 0; y < 60; ++y) {
      for (int x = 0; x < 60; ++x) {
        const bool is_white = at(box, x, y) == 255;
        EXPECT_TRUE(side != FeatherSide::kIn || is_white || at(soft, x, y) == 0);
        EXPECT_TRUE(side != FeatherSide::kOut || !is_white || at(soft, x, y) == 255);
      }
    }
    int last = -1;
    for (int x = 0; x <= 30; ++x) {
      EXPECT_GE(at(soft, x, 30), last);
      last = at(soft, x, 30);
    }
    EXPECT_EQ(at(soft, 5, 30), 0);
    EXPECT_EQ(at(soft, 30, 30), 255);
  }
}

TEST(FeatherMask, TheBordersOfThePictureAreNoOutline) {
  const Image white = invert_mask(Image(9, 9, 1));
  EXPECT_TRUE(feather_mask(white, 4, FeatherSide::kIn).data == white.data);
  EXPECT_EQ(mask_coverage(feather_mask(Image(9, 9, 1), 4, FeatherSide::kOut)), 0);
}

TEST(FillHoles, LeavesWhatReachesTheBorder) {
  Image ring = box_mask(30, 30, 5, 5, 20, 20, 0);
  for (int y = 10; y < 20; ++y) std::fill_n(ring.row<uint8_t>(y) + 10, 10, uint8_t{0});
  EXPECT_TRUE(fill_holes(ring).data == box_mask(30, 30, 5, 5, 20, 20, 0).data);
  for (int y = 0; y < 10; ++y) ring.row<uint8_t>(y)[15] = 0;  // a channel to the border
  EXPECT_TRUE(fill_holes(ring).data == ring.data);
  EXPECT_EQ(mask_coverage(fill_holes(Image(1, 1, 1))), 0);
}

TEST(KeepLargest, KeepsThatMany) {
  const std::vector<Image> parts = {box_mask(40, 20, 1, 1, 8, 8, 0),
                                    box_mask(40, 20, 12, 1, 4, 4, 0),
                                    box_mask(40, 20, 20, 1, 10, 10, 0)};
  const Image all = combine_masks(parts, MaskOp::kUnion);
  EXPECT_TRUE(keep_largest(all, 1).data == parts[2].data);
  EXPECT_TRUE(keep_largest(all, 2).data ==
              combine_masks(std::vector<Image>{parts[0], parts[2]}, MaskOp::kUnion).data);
  EXPECT_TRUE(keep_largest(all, 9).data == all.data);
  EXPECT_EQ(mask_coverage(keep_largest(Image(4, 4, 1), 1)), 0);
}

TEST(SmoothMask, RemovesSpecksAndKeepsAreas) {
  Image mask = box_mask(60, 60, 15, 15, 30, 30, 0);
  mask.row<uint8_t>(5)[5] = 255;
  const Image smooth = smooth_mask(mask, 6);
  EXPECT_EQ(at(smooth, 5, 5), 0);
  EXPECT_EQ(at(smooth, 15, 15), 0);  // the corner is rounded
  EXPECT_EQ(at(smooth, 15, 30), 255);
  EXPECT_TRUE(smooth_mask(mask, 0).data == mask.data);
}

TEST(ThresholdMask, LeavesBlackAndWhite) {
  Image mask(4, 1, 1);
  mask.data = {std::byte{0}, std::byte{99}, std::byte{100}, std::byte{255}};
  const Image cut = threshold_mask(mask, 100);
  EXPECT_EQ(at(cut, 1, 0), 0);
  EXPECT_EQ(at(cut, 2, 0), 255);
}

TEST(OverlayMask, MixesTheColour) {
  Image picture(2, 1, 3);
  std::fill(picture.data.begin(), picture.data.end(), std::byte{100});
  Image mask(2, 1, 1);
  mask.data[1] = std::byte{255};
  const Image out = overlay_mask(picture, mask, {200, 0, 100}, 0.5);
  const std::vector<std::byte> expected = {std::byte{100}, std::byte{100}, std::byte{100},
                                           std::byte{150}, std::byte{50},  std::byte{100}};
  EXPECT_EQ(out.data, expected);
}

TEST(MaskToAlpha, ReadsBackAsTheMask) {
  const Image alpha = mask_to_alpha(box_mask(6, 5, 1, 1, 3, 3, 1));
  EXPECT_EQ(alpha.channels, 2);
  EXPECT_EQ(alpha_mask(alpha).data, box_mask(6, 5, 1, 1, 3, 3, 1).data);
}

}  // namespace
}  // namespace dedit

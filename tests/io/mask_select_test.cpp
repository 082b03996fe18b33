#include <gtest/gtest.h>

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

/// A red disc-like square on blue, 40x30, with alpha where asked.
Image picture(int channels = 3) {
  Image image(40, 30, channels);
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 40; ++x) {
      uint8_t* p = image.row<uint8_t>(y) + channels * x;
      const bool is_thing = x >= 10 && x < 30 && y >= 8 && y < 22;
      p[0] = is_thing ? 220 : 30;
      p[1] = 40;
      p[2] = is_thing ? 30 : 200;
      if (channels == 4) p[3] = is_thing ? 255 : 0;
    }
  }
  return image;
}

const Image& thing() {
  static const Image mask = box_mask(40, 30, 10, 8, 20, 14, 0);
  return mask;
}

TEST(ColourMask, ChoosesByDistanceAndByRange) {
  EXPECT_EQ(near_colour_mask(picture(), {220, 40, 30}, 5).data, thing().data);
  EXPECT_EQ(colour_mask(picture(), ColourSpace::kLab, {0, 20, 0}, {100, 128, 128}).data,
            thing().data);
}

TEST(ColourMask, HueGoesRound) {
  // Red is at 3 degrees, blue at 236.
  EXPECT_EQ(colour_mask(picture(), ColourSpace::kHsv, {350, 50, 50}, {10, 100, 100}).data,
            thing().data);
  EXPECT_EQ(mask_coverage(colour_mask(picture(), ColourSpace::kHsv, {90, 0, 0}, {180, 100, 100})),
            0);
}

TEST(LuminanceMask, ChoosesByLuma) {
  // 0.299 * 220 + 0.587 * 40 + 0.114 * 30 = 92.7; the rest 55.3.
  EXPECT_EQ(luminance_mask(picture(), 90, 255).data, thing().data);
  EXPECT_EQ(luminance_mask(picture(), 0, 60).data, invert_mask(thing()).data);
}

TEST(AlphaMask, IsTheAlpha) {
  EXPECT_EQ(alpha_mask(picture(4)).data, thing().data);
  EXPECT_THROW(alpha_mask(picture()), Error);
}

TEST(FloodMask, StaysInItsRegion) {
  EXPECT_EQ(flood_mask(picture(), 15, 15, 10).data, thing().data);
  EXPECT_EQ(mask_coverage(flood_mask(picture(), 0, 0, 255)), 1);
  EXPECT_THROW(flood_mask(picture(), 40, 0, 10), Error);
  EXPECT_THROW(flood_mask(picture(), 0, -1, 10), Error);
}

TEST(GrabCut, FindsTheThingInABoxTheSameEveryTime) {
  const Image mask = grabcut_box_mask(picture(), 6, 4, 28, 22, 3);
  EXPECT_EQ(mask.data, thing().data);
  EXPECT_EQ(grabcut_box_mask(picture(), 6, 4, 28, 22, 3).data, mask.data);
}

TEST(GrabCut, FindsTheThingUnderStrokes) {
  const MaskStroke on{{{15, 15}, {25, 15}}, 2, false};
  const MaskStroke off{{{3, 3}, {36, 3}}, 2, true};
  EXPECT_EQ(grabcut_strokes_mask(picture(), {on, off}, 3).data, thing().data);
}

TEST(GrabCut, RefusesWhatLeavesNothingToTellApart) {
  EXPECT_THROW(grabcut_box_mask(picture(), 0, 0, 40, 30, 3), Error);
  EXPECT_THROW(grabcut_box_mask(picture(), 30, 0, 20, 30, 3), Error);
  EXPECT_THROW(grabcut_box_mask(picture(), 0, 0, 0, 5, 3), Error);
  EXPECT_THROW(grabcut_strokes_mask(picture(), {MaskStroke{{{15, 15}}, 2, false}}, 3), Error);
}

TEST(DifferenceMask, IsWhiteWhereAChannelDiffers) {
  Image other = picture();
  other.row<uint8_t>(3)[3 * 5 + 2] = 180;
  const Image mask = difference_mask(picture(), other, 19);
  EXPECT_EQ(mask.data, box_mask(40, 30, 5, 3, 1, 1, 0).data);
  EXPECT_EQ(mask_coverage(difference_mask(picture(), other, 20)), 0);
  EXPECT_THROW(difference_mask(picture(), Image(40, 31, 3), 1), Error);
}

}  // namespace
}  // namespace dedit

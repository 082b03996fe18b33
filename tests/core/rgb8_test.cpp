#include "core/rgb8.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "dedit/error.h"

namespace dedit {
namespace {

TEST(Image, SizesAndChannelsAreChecked) {
  EXPECT_THROW(Image(0, 1, 3), Error);
  EXPECT_THROW(Image(1, -1, 3), Error);
  EXPECT_THROW(Image(Image::kMaxSide + 1, 1, 3), Error);
  EXPECT_THROW(Image(1, 1, 5), Error);
  EXPECT_THROW(Image(1, 1, 0), Error);
  const Image image(Image::kMaxSide, 1, 2, PixelType::kU16);
  EXPECT_EQ(image.data.size(), size_t(Image::kMaxSide) * 4);
  EXPECT_TRUE(Image().empty());
}

TEST(Rgb8, SixteenBitIsRoundedToNearest) {
  for (uint32_t v = 0; v < 65536; ++v) {
    ASSERT_EQ(int(narrow_to_8(uint16_t(v))), int(std::lround(v * 255.0 / 65535.0))) << v;
  }
}

TEST(Rgb8, UnitFloatsAreClampedAndRoundedHalfToEven) {
  EXPECT_EQ(unit_to_8(0.5f), 128);  // 127.5
  EXPECT_EQ(unit_to_8(-1.0f), 0);
  EXPECT_EQ(unit_to_8(2.0f), 255);
  EXPECT_EQ(unit_to_8(std::numeric_limits<float>::infinity()), 255);
  EXPECT_EQ(unit_to_8(std::numeric_limits<float>::quiet_NaN()), 0);
  EXPECT_EQ(unit_to_16(1.0f), 65535);
  EXPECT_EQ(unit_to_16(0.5f), 32768);
}

TEST(Rgb8, DepthChangesUpAndBackLoseNothing) {
  Image image(256, 1, 1);
  for (int i = 0; i < 256; ++i) image.data[size_t(i)] = std::byte(i);
  image.icc = {1};
  for (const PixelType type : {PixelType::kU16, PixelType::kF32}) {
    const Image back = to_depth(to_depth(image, type), PixelType::kU8);
    EXPECT_TRUE(back.data == image.data);
    EXPECT_EQ(back.icc, image.icc);
  }
}

TEST(Rgb8, AlphaIsCompositedOverWhiteWithTruncationAsHwc3Does) {
  // y = uint8(clip(v * a + 255 * (1 - a))) in f32, for every value and alpha.
  Image image(256, 256, 4);
  for (int a = 0; a < 256; ++a) {
    for (int v = 0; v < 256; ++v) {
      uint8_t* p = image.row<uint8_t>(a) + 4 * v;
      p[0] = p[1] = p[2] = uint8_t(v);
      p[3] = uint8_t(a);
    }
  }
  const Image rgb = to_rgb8(image);
  ASSERT_EQ(rgb.channels, 3);
  for (int a = 0; a < 256; ++a) {
    const float alpha = float(a) / 255.0f;
    for (int v = 0; v < 256; ++v) {
      const float y = float(v) * alpha + 255.0f * (1.0f - alpha);
      ASSERT_EQ(rgb.row<uint8_t>(a)[3 * v], uint8_t(std::min(std::max(y, 0.0f), 255.0f)));
    }
  }
}

TEST(Rgb8, GreyIsRepeatedAndLosesItsProfile) {
  Image grey(2, 1, 1, PixelType::kU16);
  grey.row<uint16_t>(0)[1] = 0x8080;
  grey.icc.resize(132);
  std::copy_n("GRAY", 4, grey.icc.begin() + 16);
  const Image rgb = to_rgb8(grey);
  EXPECT_EQ(rgb.data, (std::vector<std::byte>{std::byte{0}, std::byte{0}, std::byte{0},
                                              std::byte{0x80}, std::byte{0x80}, std::byte{0x80}}));
  EXPECT_TRUE(rgb.icc.empty());
}

TEST(Rgb8, LumaKeepsGreysAtEveryDepth) {
  for (const uint32_t v : {0u, 1u, 127u, 255u, 32768u, 65535u}) EXPECT_EQ(luma601(v, v, v), v);
  EXPECT_EQ(luma601(255, 0, 0), 76u);
}

}  // namespace
}  // namespace dedit

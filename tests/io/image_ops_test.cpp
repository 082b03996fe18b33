#include "io/image_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "io/picture_files.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using namespace testing;  // NOLINT: the builders of picture_files.h

TEST(ToPlanar, EightBitIsTheReferencesFormulaInF32) {
  Image image(256, 1, 1);
  for (int i = 0; i < 256; ++i) image.data[size_t(i)] = std::byte(i);
  const std::vector<float> planes = to_planar_signed(image, 256, 8);
  const std::vector<float> unit = to_planar_unit(image, 256, 8);
  ASSERT_EQ(planes.size(), 3u * 8 * 256);
  for (int i = 0; i < 256; ++i) {
    const float x = float(i) / 255.0f;
    EXPECT_EQ(unit[size_t(i)], x);
    EXPECT_EQ(planes[size_t(i)], 2.0f * x - 1.0f);
  }
  EXPECT_EQ(planes[0], -1.0f);
  EXPECT_EQ(planes[255], 1.0f);
}

TEST(ToPlanar, PlanesAreRgbAndThePaddingRepeatsTheEdges) {
  const Image image = noise(5, 3, 3, PixelType::kU8);
  const int w = 8;
  const int h = 8;
  const std::vector<float> planes = to_planar_unit(image, w, h);
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        const uint8_t v = image.row<uint8_t>(std::min(y, 2))[3 * std::min(x, 4) + c];
        ASSERT_EQ(planes[size_t((c * h + y) * w + x)], float(v) / 255.0f);
      }
    }
  }
}

TEST(ToPlanar, DeepPicturesKeepTheirPrecision) {
  const Image image = noise(7, 5, 3, PixelType::kU16);
  const std::vector<float> planes = to_planar_signed(image, 8, 8);
  EXPECT_EQ(planes[0], 2.0f * (float(image.row<uint16_t>(0)[0]) / 65535.0f) - 1.0f);
  const Image floats = noise(7, 5, 3, PixelType::kF32);
  EXPECT_EQ(to_planar_unit(floats, 8, 8)[64], floats.row<float>(0)[1]);
}

TEST(ToPlanar, AlphaIsOverWhite) {
  const Image image = noise(7, 5, 4, PixelType::kU8);
  EXPECT_EQ(to_planar_signed(image, 8, 8), to_planar_signed(to_rgb8(image), 8, 8));
  Image deep(1, 1, 2, PixelType::kU16);
  deep.row<uint16_t>(0)[0] = 13107;  // 0.2
  deep.row<uint16_t>(0)[1] = 32768;
  const float alpha = 32768.0f / 65535.0f;
  EXPECT_FLOAT_EQ(to_planar_unit(deep, 1, 1)[2], 0.2f * alpha + 1 - alpha);
}

TEST(ToPlanar, ASmallerPaddedSizeIsRefused) {
  EXPECT_THROW(to_planar_unit(noise(9, 3, 3, PixelType::kU8), 8, 8), Error);
}

TEST(FromPlanar, InvertsToPlanarAtEveryDepthAndCrops) {
  for (const PixelType type : {PixelType::kU8, PixelType::kU16}) {
    const Image image = noise(13, 9, 3, type);
    const std::vector<float> planes = to_planar_signed(image, 16, 16);
    const Image back = from_planar_signed(planes.data(), 3, 16, 16, 13, 9, type);
    EXPECT_TRUE(back.data == image.data);
    EXPECT_EQ(back.type, type);
  }
}

TEST(FromPlanar, RoundsHalfToEvenAndClamps) {
  const float inf = std::numeric_limits<float>::infinity();
  // x * 0.5 + 0.5 is exact here; times 255: 127.5, 0, 255, 0, 255.
  const std::vector<float> x = {0.0f, -3.0f, 1.5f, -inf, inf};
  const Image image = from_planar_signed(x.data(), 1, 1, 5, 5, 1);
  const uint8_t expected[] = {128, 0, 255, 0, 255};
  EXPECT_TRUE(std::equal(expected, expected + 5, image.row<uint8_t>(0)));
  const Image floats = from_planar_signed(x.data(), 1, 1, 5, 1, 1, PixelType::kF32);
  EXPECT_EQ(floats.row<float>(0)[0], 0.5f);
}

TEST(FromPlanar, NanIsAModelError) {
  const std::vector<float> x = {0.0f, std::nanf("")};
  try {
    from_planar_signed(x.data(), 1, 1, 2, 2, 1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kModel);
    EXPECT_STREQ(e.what(), "the model produced NaN");
  }
  EXPECT_NO_THROW(from_planar_signed(x.data(), 1, 1, 2, 1, 1)) << "NaN in the padding";
}

TEST(Resize, ShrinkingAveragesAreas) {
  Image image(4, 2, 1);
  const uint8_t values[] = {0, 10, 100, 200, 20, 30, 100, 200};
  std::copy_n(values, 8, image.row<uint8_t>(0));
  const Image out = resize(image, 2, 1);
  EXPECT_EQ(out.row<uint8_t>(0)[0], 15);
  EXPECT_EQ(out.row<uint8_t>(0)[1], 150);
}

TEST(Resize, KeepsTypeChannelsAndProfileAndDropsText) {
  for (const PixelType type : {PixelType::kU8, PixelType::kU16, PixelType::kF32}) {
    for (int channels = 1; channels <= 4; ++channels) {
      Image image = noise(9, 7, channels, type);
      image.icc = {1, 2};
      image.text["a"] = "b";
      for (const auto& [w, h] : {std::pair{18, 14}, {5, 3}, {9, 7}, {1, 1}}) {
        const Image out = resize(image, w, h);
        EXPECT_EQ(out.width, w);
        EXPECT_EQ(out.height, h);
        EXPECT_EQ(out.channels, channels);
        EXPECT_EQ(out.type, type);
        EXPECT_EQ(out.icc, image.icc);
        EXPECT_TRUE(out.text.empty());
      }
    }
  }
}

TEST(Resize, CubicOvershootOfFloatsIsClamped) {
  Image image(4, 1, 1, PixelType::kF32);
  image.row<float>(0)[2] = image.row<float>(0)[3] = 1.0f;
  const Image out = resize(image, 16, 4);
  for (int x = 0; x < 16; ++x) {
    EXPECT_GE(out.row<float>(0)[x], 0.0f);
    EXPECT_LE(out.row<float>(0)[x], 1.0f);
  }
}

TEST(Resize, ColourUnderTransparencyDoesNotBleed) {
  Image image(2, 1, 4);  // opaque blue beside invisible red
  const uint8_t values[] = {0, 0, 255, 255, 255, 0, 0, 0};
  std::copy_n(values, 8, image.row<uint8_t>(0));
  const Image out = resize(image, 1, 1);
  const uint8_t expected[] = {0, 0, 255, 128};
  EXPECT_TRUE(std::equal(expected, expected + 4, out.row<uint8_t>(0)));
}

}  // namespace
}  // namespace dedit

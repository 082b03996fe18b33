#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include "io/image_ops.h"
#include "io/picture_files.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using namespace testing;  // NOLINT: the builders of picture_files.h

/// Noise with a third of the pixels 0 and a third 255.
Image noise_mask(int width, int height) {
  Image mask = noise(width, height, 1, PixelType::kU8, 99);
  for (size_t i = 0; i < mask.data.size(); ++i) {
    if (i % 3 == 0) mask.data[i] = std::byte{0};
    if (i % 3 == 1) mask.data[i] = std::byte{255};
  }
  return mask;
}

std::string error_of(ErrorKind kind, const std::function<void()>& fn) {
  try {
    fn();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind);
    return e.what();
  }
  return "no error";
}

/// A sample in [0, 1] whatever the type.
double sample(const Image& image, size_t i) {
  switch (image.type) {
    case PixelType::kU8:
      return image.row<uint8_t>(0)[i] / 255.0;
    case PixelType::kU16:
      return image.row<uint16_t>(0)[i] / 65535.0;
    case PixelType::kF32:
      return double(image.row<float>(0)[i]);
  }
  return 0;
}

TEST(ToMask8, ColoursBecomeLumaAndWhiteStaysWhite) {
  Image rgb(3, 1, 3);
  const uint8_t values[] = {255, 255, 255, 0, 0, 0, 255, 0, 0};
  std::copy_n(values, 9, rgb.row<uint8_t>(0));
  EXPECT_EQ(as_string(to_mask8(rgb).data), std::string("\xff\x00\x4c", 3));
}

TEST(ToMask8, TransparentPixelsAreKept) {
  Image rgba(3, 1, 2);
  const uint8_t values[] = {255, 0, 255, 128, 255, 255};
  std::copy_n(values, 6, rgba.row<uint8_t>(0));
  EXPECT_EQ(as_string(to_mask8(rgba).data), std::string("\x00\x80\xff", 3));
}

TEST(ToMask8, SixteenBitIsRounded) {
  Image deep(2, 1, 1, PixelType::kU16);
  deep.row<uint16_t>(0)[0] = 128;
  deep.row<uint16_t>(0)[1] = 129;
  EXPECT_EQ(as_string(to_mask8(deep).data), std::string("\x00\x01", 2));
}

TEST(Coverage, IsTheShareOfPixelsThatAreNotZero) {
  Image mask(4, 1, 1);
  mask.data = {std::byte{0}, std::byte{1}, std::byte{255}, std::byte{0}};
  EXPECT_EQ(coverage(mask), 0.5);
  EXPECT_EQ(coverage(Image(5, 3, 1)), 0.0);
  EXPECT_THROW(coverage(Image(5, 3, 3)), Error);
}

TEST(LatentMask, CoverTakesEveryCellThatTheMaskTouches) {
  for (int y = 0; y < 19; ++y) {
    for (int x = 0; x < 21; ++x) {
      Image mask(21, 19, 1);
      mask.row<uint8_t>(y)[x] = 1;
      const std::vector<uint8_t> cells = latent_mask(mask, 24, 24, 8, MaskRule::kCover);
      ASSERT_EQ(cells.size(), 9u);
      for (int j = 0; j < 3; ++j) {
        for (int i = 0; i < 3; ++i) {
          ASSERT_EQ(cells[size_t(3 * j + i)], x / 8 == i && y / 8 == j ? 1 : 0) << x << "," << y;
        }
      }
    }
  }
}

TEST(LatentMask, CellsBeyondThePictureFollowItsEdge) {
  Image mask(9, 9, 1);
  mask.row<uint8_t>(0)[8] = 255;  // top right
  const std::vector<uint8_t> cells = latent_mask(mask, 32, 32, 8, MaskRule::kCover);
  const std::vector<uint8_t> expected = {0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(cells, expected);
}

TEST(LatentMask, NearestLooksAtTheTopLeftPixelFromAHalf) {
  Image mask(24, 8, 1);
  mask.row<uint8_t>(0)[0] = 127;
  mask.row<uint8_t>(0)[8] = 128;
  mask.row<uint8_t>(1)[16] = 255;
  EXPECT_EQ(latent_mask(mask, 24, 8, 8, MaskRule::kNearest), (std::vector<uint8_t>{0, 1, 0}));
  EXPECT_EQ(latent_mask(mask, 24, 8, 8, MaskRule::kCover), (std::vector<uint8_t>{1, 1, 1}));
}

TEST(LatentMask, SizesThatAreNoMultipleAreRefused) {
  EXPECT_THROW(latent_mask(Image(8, 8, 1), 12, 8, 8, MaskRule::kCover), Error);
}

TEST(Composite, KeptPixelsKeepEveryByteAtEveryDepthAndChannelCount) {
  for (const PixelType type : {PixelType::kU8, PixelType::kU16, PixelType::kF32}) {
    for (int channels = 1; channels <= 4; ++channels) {
      for (const auto& [w, h] : {std::pair{1, 1}, {13, 7}, {31, 33}}) {
        SCOPED_TRACE(::testing::Message() << "type " << int(type) << " channels " << channels);
        Image source = noise(w, h, channels, type, 3);
        source.icc = {9, 8, 7};
        const Image generated = noise(w, h, 3, PixelType::kU8, 4);
        const Image mask = noise_mask(w, h);
        const Image out = composite(source, generated, mask);
        EXPECT_EQ(out.type, type);
        EXPECT_EQ(out.channels, channels);
        EXPECT_EQ(out.icc, source.icc);
        const size_t pixel = size_t(channels) * bytes_per_sample(type);
        int64_t n_kept = 0;
        for (size_t i = 0; i < mask.data.size(); ++i) {
          if (mask.data[i] != std::byte{0}) continue;
          ++n_kept;
          const auto at = std::ptrdiff_t(i * pixel);
          ASSERT_TRUE(std::equal(source.data.begin() + at,
                                 source.data.begin() + at + std::ptrdiff_t(pixel),
                                 out.data.begin() + at));
        }
        EXPECT_EQ(count_kept_and_verify(source, out, mask), n_kept);
      }
    }
  }
}

TEST(Composite, BlendsLinearlyAndOpaquelyElsewhere) {
  for (const PixelType type : {PixelType::kU8, PixelType::kU16, PixelType::kF32}) {
    const double step = type == PixelType::kU8    ? 1 / 255.0
                        : type == PixelType::kU16 ? 1 / 65535.0
                                                  : 1e-6;
    for (const int channels : {1, 3}) {
      const Image source = noise(31, 33, channels, type, 3);
      const Image generated = noise(31, 33, 3, PixelType::kU8, 4);
      const Image mask = noise_mask(31, 33);
      const Image out = composite(source, generated, mask);
      for (size_t i = 0; i < mask.data.size(); ++i) {
        const double m = int(mask.data[i]) / 255.0;
        for (size_t c = 0; c < size_t(channels); ++c) {
          double g = sample(generated, 3 * i + c);
          if (channels == 1) {
            g = 0.299 * sample(generated, 3 * i) + 0.587 * sample(generated, 3 * i + 1) +
                0.114 * sample(generated, 3 * i + 2);
          }
          const size_t k = size_t(channels) * i + c;
          const double expected = sample(source, k) * (1 - m) + g * m;
          // Half a step for the blend, half a step for the rounded luma of integer pictures.
          ASSERT_NEAR(sample(out, k), expected, step * 1.0001) << "mask " << m;
        }
      }
    }
  }
}

TEST(Composite, FullyRepaintedPixelsAreTheGeneratedOnesExactly) {
  const Image generated = noise(8, 8, 3, PixelType::kU8, 4);
  Image mask(8, 8, 1);
  std::fill(mask.data.begin(), mask.data.end(), std::byte{255});
  const Image same = composite(noise(8, 8, 3, PixelType::kU8), generated, mask);
  EXPECT_TRUE(same.data == generated.data);
  const Image deep = composite(noise(8, 8, 3, PixelType::kU16), generated, mask);
  EXPECT_TRUE(deep.data == to_depth(generated, PixelType::kU16).data);
  const Image rgba = composite(noise(8, 8, 4, PixelType::kU8), generated, mask);
  EXPECT_TRUE(to_rgb8(rgba).data == generated.data) << "opaque";
}

TEST(Composite, SixteenBitGeneratedPixelsKeepTheirPrecision) {
  const Image generated = noise(8, 8, 3, PixelType::kU16, 4);
  Image mask(8, 8, 1);
  std::fill(mask.data.begin(), mask.data.end(), std::byte{255});
  EXPECT_TRUE(composite(noise(8, 8, 3, PixelType::kU16), generated, mask).data == generated.data);
}

TEST(Composite, HiddenColourDoesNotBleedInAndAlphaGoesToOpaque) {
  Image source(1, 1, 4);  // invisible red
  source.row<uint8_t>(0)[0] = 255;
  Image generated(1, 1, 3);
  generated.row<uint8_t>(0)[2] = 200;
  Image mask(1, 1, 1);
  mask.data[0] = std::byte{51};
  const Image out = composite(source, generated, mask);
  const uint8_t expected[] = {0, 0, 200, 51};
  EXPECT_TRUE(std::equal(expected, expected + 4, out.row<uint8_t>(0)));
}

TEST(Composite, SizesMustAgree) {
  const Image source(8, 8, 3);
  EXPECT_EQ(error_of(ErrorKind::kUsage, [&] { composite(source, source, Image(8, 9, 1)); }),
            "the mask is 8x9, the picture is 8x8");
  EXPECT_EQ(error_of(ErrorKind::kUsage, [&] { composite(source, Image(4, 4, 3), Image(8, 8, 1)); }),
            "the generated picture is 4x4, the picture is 8x8");
  EXPECT_THROW(composite(source, Image(8, 8, 4), Image(8, 8, 1)), Error);
  EXPECT_THROW(composite(source, source, Image(8, 8, 3)), Error);
}

TEST(CountKept, OneChangedByteIsFoundAndCounted) {
  const Image source = noise(13, 7, 4, PixelType::kU16);
  Image result = source;
  Image mask(13, 7, 1);
  EXPECT_EQ(count_kept_and_verify(source, result, mask), 91);
  result.data[result.data.size() - 1] ^= std::byte{1};
  EXPECT_EQ(
      error_of(ErrorKind::kVerification, [&] { count_kept_and_verify(source, result, mask); }),
      "1 of 91 kept pixels differ from the source");
  mask.data.back() = std::byte{1};
  EXPECT_EQ(count_kept_and_verify(source, result, mask), 90);
}

TEST(CountKept, AnotherShapeIsAVerificationError) {
  const Image source(4, 4, 3);
  const Image mask(4, 4, 1);
  for (const Image& other : {Image(4, 5, 3), Image(4, 4, 4), Image(4, 4, 3, PixelType::kU16)}) {
    EXPECT_NE(
        error_of(ErrorKind::kVerification, [&] { count_kept_and_verify(source, other, mask); }),
        "no error");
  }
}

}  // namespace
}  // namespace dedit

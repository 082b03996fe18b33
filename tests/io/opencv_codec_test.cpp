#include "io/opencv_codec.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/rgb8.h"
#include "io/exif.h"
#include "io/picture_files.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using namespace testing;  // NOLINT: the builders of picture_files.h

Image decode(const std::string& bytes) {
  return decode_image(as_bytes(bytes), "x");
}

std::string encode(const Image& image, const std::string& extension) {
  return as_string(encode_with_opencv(image, extension));
}

std::string error_of(const std::string& bytes) {
  try {
    decode(bytes);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
    return e.what();
  }
  return "no error";
}

void expect_same_pixels(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.channels, b.channels);
  EXPECT_EQ(a.type, b.type);
  EXPECT_TRUE(a.data == b.data);
}

/// Smooth, so that JPEG keeps it closely; no two corners alike.
Image ramp(int width, int height, int channels) {
  Image image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * channels; ++x) {
      image.row<uint8_t>(y)[x] = uint8_t(40 + 3 * (x / channels) + 5 * y + 10 * (x % channels));
    }
  }
  return image;
}

TEST(OpenCvCodec, LosslessFormatsKeepWhatTheyHoldBitExactly) {
  struct Case {
    const char* extension;
    int channels;
    PixelType type;
  };
  const Case cases[] = {
      {".tif", 1, PixelType::kU8},  {".tif", 3, PixelType::kU8},  {".tif", 4, PixelType::kU8},
      {".tif", 1, PixelType::kU16}, {".tif", 3, PixelType::kU16}, {".tiff", 4, PixelType::kU16},
      {".tif", 1, PixelType::kF32}, {".tif", 3, PixelType::kF32}, {".bmp", 1, PixelType::kU8},
      {".bmp", 3, PixelType::kU8},  {".ppm", 3, PixelType::kU8},  {".ppm", 3, PixelType::kU16},
      {".webp", 3, PixelType::kU8}};
  for (const Case& c : cases) {
    SCOPED_TRACE(::testing::Message() << c.extension << " channels " << c.channels);
    const Image image = noise(19, 7, c.channels, c.type);
    expect_same_pixels(decode(encode(image, c.extension)), image);
  }
}

TEST(OpenCvCodec, WebpKeepsAlphaAndVisibleColours) {
  const Image image = noise(19, 7, 4, PixelType::kU8);
  const Image read = decode(encode(image, ".webp"));
  ASSERT_EQ(read.channels, 4);
  for (size_t i = 0; i < 19 * 7; ++i) {
    const uint8_t* a = image.row<uint8_t>(0) + 4 * i;
    const uint8_t* b = read.row<uint8_t>(0) + 4 * i;
    ASSERT_EQ(a[3], b[3]);
    ASSERT_TRUE(a[3] == 0 || std::equal(a, a + 3, b));
  }
}

TEST(OpenCvCodec, JpegIsCloseAndRedStaysRed) {
  Image image(16, 16, 3);
  for (size_t i = 0; i < 256; ++i) image.row<uint8_t>(0)[3 * i] = 200;
  const Image read = decode(encode(image, ".jpg"));
  ASSERT_EQ(read.channels, 3);
  EXPECT_NEAR(read.row<uint8_t>(8)[24], 200, 3);
  EXPECT_NEAR(read.row<uint8_t>(8)[26], 0, 3);
  const Image grey = decode(encode(ramp(16, 16, 1), ".jpeg"));
  EXPECT_EQ(grey.channels, 1);
  EXPECT_NEAR(grey.row<uint8_t>(3)[3], 64, 2);
}

TEST(OpenCvCodec, SixteenBitIsRoundedWhereAFormatHasEight) {
  Image image(4, 1, 1, PixelType::kU16);
  const uint16_t values[] = {0, 128, 129, 65535};  // 128 / 257 is below a half, 129 / 257 above
  std::copy_n(values, 4, image.row<uint16_t>(0));
  const Image read = decode(encode(image, ".bmp"));
  EXPECT_EQ(as_string(read.data), std::string("\x00\x00\x01\xff", 4));
}

TEST(OpenCvCodec, AlphaIsCompositedOverWhiteWhereAFormatHasNone) {
  Image image(2, 1, 2);
  const uint8_t values[] = {10, 0, 20, 255};
  std::copy_n(values, 4, image.row<uint8_t>(0));
  EXPECT_EQ(as_string(decode(encode(image, ".bmp")).data), "\xff\x14");
  Image deep(2, 1, 4, PixelType::kU16);
  const uint16_t deep_values[] = {1, 2, 3, 0, 1000, 2000, 3000, 65535};
  std::copy_n(deep_values, 8, deep.row<uint16_t>(0));
  const Image read = decode(encode(deep, ".ppm"));
  const uint16_t expected[] = {65535, 65535, 65535, 1000, 2000, 3000};
  ASSERT_EQ(read.channels, 3);
  EXPECT_TRUE(std::equal(expected, expected + 6, read.row<uint16_t>(0)));
}

TEST(OpenCvCodec, GreyWithAlphaBecomesFourChannelsInTiff) {
  const Image image = noise(5, 3, 2, PixelType::kU8);
  const Image read = decode(encode(image, ".tif"));
  ASSERT_EQ(read.channels, 4);
  for (size_t i = 0; i < 15; ++i) {
    EXPECT_EQ(read.row<uint8_t>(0)[4 * i + 1], image.row<uint8_t>(0)[2 * i]);
    EXPECT_EQ(read.row<uint8_t>(0)[4 * i + 3], image.row<uint8_t>(0)[2 * i + 1]);
  }
}

TEST(OpenCvCodec, JpegOrientationIsAppliedOnce) {
  const std::string jpeg = encode(ramp(24, 16, 3), ".jpg");
  const Image stored = decode(jpeg);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string exif = std::string("Exif\0\0", 6) + exif_block(orientation, true);
    expect_same_pixels(decode(with_segments(jpeg, {{0xe1, exif}})),
                       apply_orientation(stored, orientation));
  }
}

TEST(OpenCvCodec, WebpOrientationAndProfileAreRead) {
  const std::string webp = encode(ramp(24, 16, 3), ".webp");
  const std::string profile = icc_profile("RGB ", 201);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image read = decode(with_webp_chunks(
        webp, 24, 16, {{"ICCP", profile}, {"EXIF", exif_block(orientation, false)}}));
    expect_same_pixels(to_rgb8(read), apply_orientation(ramp(24, 16, 3), orientation));
    EXPECT_TRUE(std::string(read.icc.begin(), read.icc.end()) == profile);
  }
}

TEST(OpenCvCodec, TiffOrientationIsAppliedOnceAndTheProfileIsRead) {
  const std::string profile = icc_profile("RGB ");
  for (int orientation = 1; orientation <= 8; ++orientation) {
    SCOPED_TRACE(orientation);
    const Image read = decode(tiff_file(ramp(24, 16, 3), orientation, profile));
    expect_same_pixels(read, apply_orientation(ramp(24, 16, 3), orientation));
    EXPECT_TRUE(std::string(read.icc.begin(), read.icc.end()) == profile);
  }
}

TEST(OpenCvCodec, TiffOrientationIsAppliedOnceAtEveryDepth) {
  for (const PixelType type : {PixelType::kU16, PixelType::kF32}) {
    for (const int channels : {1, 3, 4}) {
      for (int orientation = 1; orientation <= 8; ++orientation) {
        SCOPED_TRACE(::testing::Message() << "orientation " << orientation << " channels "
                                          << channels << " type " << int(type));
        const Image image = noise(7, 4, channels, type);
        expect_same_pixels(decode(tiff_file(image, orientation)),
                           apply_orientation(image, orientation));
      }
    }
  }
}

TEST(OpenCvCodec, StraightAlphaInTiffLeavesColoursAlone) {
  for (const PixelType type : {PixelType::kU8, PixelType::kU16}) {
    const Image image = noise(6, 5, 4, type);
    expect_same_pixels(decode(tiff_file(image, 1)), image);
  }
}

TEST(OpenCvCodec, AssociatedAlphaInTiffIsDividedOut) {
  Image image(2, 1, 4);
  const uint8_t stored[] = {50, 100, 128, 128, 0, 0, 0, 0};
  const uint8_t straight[] = {100, 199, 255, 128, 0, 0, 0, 0};
  std::copy_n(stored, 8, image.row<uint8_t>(0));
  const Image read = decode(tiff_file(image, 1, {}, /*extra_samples=*/1));
  ASSERT_EQ(read.channels, 4);
  EXPECT_TRUE(std::equal(straight, straight + 8, read.row<uint8_t>(0)));
}

TEST(OpenCvCodec, GreyTiffWithAlphaIsRefusedRatherThanStripped) {
  EXPECT_EQ(error_of(tiff_file(noise(6, 5, 2, PixelType::kU8), 1)),
            "x: grey TIFF with alpha is not supported");
}

TEST(OpenCvCodec, JpegProfileIsKeptInAnyNumberOfSegments) {
  for (const size_t n_bytes : {size_t(132), size_t(65519), size_t(65520), size_t(200000)}) {
    Image image = ramp(8, 8, 3);
    const std::string profile = icc_profile("RGB ", n_bytes);
    image.icc.assign(profile.begin(), profile.end());
    EXPECT_TRUE(decode(encode(image, ".jpg")).icc == image.icc) << n_bytes;
  }
}

TEST(OpenCvCodec, AProfileOfAnotherColourSpaceIsDropped) {
  Image image = ramp(8, 8, 3);
  const std::string profile = icc_profile("CMYK");
  image.icc.assign(profile.begin(), profile.end());
  EXPECT_TRUE(decode(encode(image, ".jpg")).icc.empty());
}

TEST(OpenCvCodec, TruncatedFilesAreErrorsAndNothingIsPrinted) {
  ::testing::internal::CaptureStderr();
  for (const char* extension : {".jpg", ".webp", ".tif", ".bmp", ".ppm"}) {
    const std::string bytes = encode(ramp(16, 12, 3), extension);
    for (size_t n = 1; n < bytes.size(); n += 10) {
      EXPECT_NE(error_of(bytes.substr(0, n)), "no error") << extension << " cut at " << n;
    }
    EXPECT_NE(error_of(bytes.substr(0, bytes.size() - 1)), "no error") << extension;
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(OpenCvCodec, PnmOfAnyRangeIsScaledToFull) {
  const auto grey8 = [](const std::string& bytes) { return as_string(decode(bytes).data); };
  const auto grey16 = [](const std::string& bytes, int x) {
    return int(decode(bytes).row<uint16_t>(0)[x]);
  };
  const std::string scaled("\x00\x80\xff", 3);
  EXPECT_EQ(grey8(std::string("P5\n3 1\n100\n\x00\x32\x64", 14)), scaled);
  EXPECT_EQ(grey8(std::string("P5 # a comment\n3 1 255\n\x00\x80\xff", 26)), scaled);
  EXPECT_EQ(grey8("P2\n3 1\n255\n0 128 255\n"), scaled);
  EXPECT_EQ(grey8("P1\n3 1\n1 0 1\n"), std::string("\x00\xff\x00", 3));
  EXPECT_EQ(grey8("P4\n3 1\n\xa0"), std::string("\x00\xff\x00", 3));
  EXPECT_EQ(grey16(std::string("P5\n2 1\n1023\n\x03\xff\x02\x00", 16), 0), 65535);
  EXPECT_EQ(grey16(std::string("P5\n2 1\n1023\n\x03\xff\x02\x00", 16), 1), 32800);
  EXPECT_EQ(grey16("P2\n2 1\n1000\n1000 500\n", 0), 65535);
}

TEST(OpenCvCodec, SizesOverTheLimitAreRefusedFromTheHeader) {
  const std::string limit = "x: size 20000x1 is over the limit of 16384 per side";
  EXPECT_EQ(error_of("P6\n20000 1\n255\n"), limit);
  EXPECT_EQ(error_of("BM" + std::string(12, '\0') + le(40, 4) + le(20000, 4) + le(1, 4) +
                     std::string(60, '\0')),
            limit);
  Image wide = ramp(8, 1, 3);
  std::string tiff = tiff_file(wide, 1);
  tiff.replace(tiff.find(le(256, 2) + le(4, 2)) + 8, 4, le(20000, 4));
  EXPECT_EQ(error_of(tiff), limit);
  std::string jpeg = encode(wide, ".jpg");
  jpeg.replace(jpeg.find("\xff\xc0") + 7, 2, be(20000, 2));
  EXPECT_EQ(error_of(jpeg), limit);
}

TEST(OpenCvCodec, OtherFilesAreNamedAsNotPictures) {
  EXPECT_EQ(error_of("hello, this is text"), "x: not a picture in a known format");
  EXPECT_EQ(error_of("GIF89a.............."), "x: not a picture in a known format");
  EXPECT_EQ(error_of("P7\nWIDTH 1\n"), "x: not a picture in a known format");
  EXPECT_EQ(error_of(""), "x: is empty, not a picture");
}

TEST(OpenCvCodec, FloatsOutsideZeroToOneAreRefused) {
  Image image(4, 4, 1, PixelType::kF32);
  image.row<float>(2)[1] = 255.0f;
  EXPECT_EQ(error_of(encode(image, ".tif")), "x: its float samples are not all in 0..1");
}

}  // namespace
}  // namespace dedit

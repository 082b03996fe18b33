#include "io/png.h"

#include <gtest/gtest.h>

#include "core/rgb8.h"
#include "io/picture_files.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using namespace testing;  // NOLINT: the builders of picture_files.h

struct PngKind {
  int colour;
  int depth;
};

const PngKind kKinds[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                          {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};

PngFile noise_file(const PngKind& kind, bool interlaced) {
  PngFile f{.width = 13,
            .height = 11,
            .depth = kind.depth,
            .colour = kind.colour,
            .interlaced = interlaced,
            .samples = {},
            .before_pixels = {},
            .after_pixels = {}};
  const Image values = noise(f.width, f.height, f.channels(), PixelType::kU16, 7);
  for (size_t i = 0; i < values.data.size() / 2; ++i) {
    f.samples.push_back(uint16_t(values.row<uint16_t>(0)[i] >> (16 - kind.depth)));
  }
  if (kind.colour == 3) {
    std::string palette;
    for (int i = 0; i < (1 << kind.depth); ++i) {
      palette += {char(i * 3 + 1), char(255 - i), char(i * 7)};
    }
    f.before_pixels.push_back({"PLTE", palette});
  }
  return f;
}

/// What the file's pixels are, computed from the specification.
Image expected(const PngFile& f) {
  const int channels = f.colour == 3 ? 3 : f.channels();
  Image out(f.width, f.height, channels, f.depth == 16 ? PixelType::kU16 : PixelType::kU8);
  for (size_t i = 0; i < f.samples.size(); ++i) {
    const uint16_t v = f.samples[i];
    if (f.colour == 3) {
      for (size_t c = 0; c < 3; ++c) {
        out.row<char>(0)[3 * i + c] = f.before_pixels[0].data[3 * size_t(v) + c];
      }
    } else if (f.depth == 16) {
      out.row<uint16_t>(0)[i] = v;
    } else {
      out.row<uint8_t>(0)[i] = uint8_t(v * 255 / ((1 << f.depth) - 1));
    }
  }
  return out;
}

void expect_same_pixels(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.channels, b.channels);
  EXPECT_EQ(a.type, b.type);
  EXPECT_TRUE(a.data == b.data);
}

Image decode(const std::string& bytes) {
  return decode_image(as_bytes(bytes), "x.png");
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

PngFile small_rgb() {
  return noise_file({2, 8}, /*interlaced=*/false);
}

TEST(Png, EveryColourTypeAndDepthIsReadBitExactly) {
  for (const PngKind& kind : kKinds) {
    for (const bool interlaced : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "colour type " << kind.colour << " depth " << kind.depth
                                        << " interlaced " << interlaced);
      const PngFile f = noise_file(kind, interlaced);
      expect_same_pixels(decode(f.bytes()), expected(f));
    }
  }
}

TEST(Png, TransparentColourOfGreyAndRgbBecomesAlpha) {
  for (const PngKind kind : {PngKind{0, 4}, PngKind{0, 16}, PngKind{2, 8}, PngKind{2, 16}}) {
    PngFile f = noise_file(kind, /*interlaced=*/false);
    const size_t n = size_t(f.channels());
    std::string key;
    for (size_t c = 0; c < n; ++c) key += be(f.samples[c], 2);  // the first pixel's colour
    f.before_pixels.push_back({"tRNS", key});
    const Image opaque = expected(f);
    const Image image = decode(f.bytes());
    ASSERT_EQ(image.channels, f.channels() + 1);
    const Image wide = to_depth(image, PixelType::kU16);
    EXPECT_EQ(wide.row<uint16_t>(0)[n], 0);
    EXPECT_EQ(wide.row<uint16_t>(5)[5 * (n + 1) + n], 65535);
    EXPECT_EQ(wide.row<uint16_t>(0)[0], to_depth(opaque, PixelType::kU16).row<uint16_t>(0)[0]);
  }
}

TEST(Png, TransparentPaletteEntriesBecomeAlpha) {
  PngFile f = noise_file({3, 2}, /*interlaced=*/false);
  f.before_pixels.push_back({"tRNS", std::string("\x00\x80", 2)});
  const Image image = decode(f.bytes());
  ASSERT_EQ(image.channels, 4);
  const uint8_t alphas[] = {0, 0x80, 255, 255};
  for (size_t i = 0; i < f.samples.size(); ++i) {
    EXPECT_EQ(image.row<uint8_t>(0)[4 * i + 3], alphas[f.samples[i]]);
  }
}

TEST(Png, GammaChangesNoSample) {
  PngFile f = small_rgb();
  f.before_pixels.push_back({"gAMA", be(100000, 4)});
  expect_same_pixels(decode(f.bytes()), expected(f));
}

TEST(Png, TextsOfEveryKindAreUtf8) {
  PngFile f = small_rgb();
  f.before_pixels.push_back({"tEXt", std::string("Title\0caf\xe9", 10)});
  f.before_pixels.push_back({"zTXt", std::string("Long\0\0", 6) + zlib_compressed("zipped")});
  f.before_pixels.push_back({"iTXt", std::string("A\0\0\0\0\0gr\xc3\xbcn", 11)});
  f.after_pixels.push_back(
      {"iTXt", std::string("B\0\1\0\0\0", 6) + zlib_compressed("\xe6\xbc\xa2")});
  f.after_pixels.push_back({"iTXt", std::string("Broken\0\0\0\0\0\xff", 12)});
  f.after_pixels.push_back({"tEXt", std::string("Title\0second", 12)});
  const std::map<std::string, std::string> texts = {{"A", "gr\xc3\xbcn"},
                                                    {"B", "\xe6\xbc\xa2"},
                                                    {"Broken", "\xc3\xbf"},
                                                    {"Long", "zipped"},
                                                    {"Title", "caf\xc3\xa9"}};
  EXPECT_EQ(decode(f.bytes()).text, texts);
}

TEST(Png, ProfileIsKept) {
  PngFile f = small_rgb();
  const std::string profile = icc_profile("RGB ", 400);
  f.before_pixels.push_back({"iCCP", std::string("name\0\0", 6) + zlib_compressed(profile)});
  const Image image = decode(f.bytes());
  EXPECT_TRUE(std::string(image.icc.begin(), image.icc.end()) == profile);
}

TEST(Png, ExifOrientationIsApplied) {
  PngFile f = small_rgb();
  f.after_pixels.push_back({"eXIf", exif_block(6, /*big_endian=*/true)});
  const Image stored = expected(f);
  const Image upright = decode(f.bytes());
  ASSERT_EQ(upright.width, stored.height);
  ASSERT_EQ(upright.height, stored.width);
  // 6: the stored picture is turned clockwise, so its first column is the top row, reversed.
  for (int x = 0; x < upright.width; ++x) {
    EXPECT_EQ(upright.row<uint8_t>(0)[3 * x], stored.row<uint8_t>(stored.height - 1 - x)[0]);
  }
}

TEST(Png, TruncationAtAnyByteIsAnError) {
  PngFile f = small_rgb();
  f.before_pixels.push_back({"tEXt", std::string("Title\0x", 7)});
  const std::string bytes = f.bytes();
  for (size_t n = 8; n < bytes.size(); ++n) {
    EXPECT_EQ(error_of(bytes.substr(0, n)), "x.png: the PNG file is truncated") << n;
  }
}

TEST(Png, NoFlippedBitChangesAPixelUnnoticed) {
  const PngFile f = small_rgb();
  const std::string bytes = f.bytes();
  const Image good = expected(f);
  for (size_t i = 0; i < bytes.size() * 8; i += 3) {
    std::string bad = bytes;
    bad[i / 8] = char(bad[i / 8] ^ (1 << (i % 8)));
    try {
      EXPECT_TRUE(decode(bad).data == good.data) << "bit " << i;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInput) << "bit " << i;
    }
  }
}

TEST(Png, SizesOverTheLimitAreRefusedBeforeAnyAllocation) {
  PngFile f = small_rgb();
  std::string bytes = f.bytes();
  const auto with_size = [&](uint32_t w, uint32_t h) {
    const std::string header =
        png_chunk({"IHDR", be(w, 4) + be(h, 4) + std::string("\x10\6\0\0\0", 5)});
    return bytes.substr(0, 8) + header + bytes.substr(8 + header.size());
  };
  EXPECT_EQ(error_of(with_size(16385, 1)),
            "x.png: size 16385x1 is over the limit of 16384 per side");
  EXPECT_NE(error_of(with_size(16384, 16384)).find("truncated"), std::string::npos);
  EXPECT_NE(error_of(with_size(0x7fffffff, 0x7fffffff)).find("over the limit"), std::string::npos);
  EXPECT_NE(error_of(with_size(0, 5)).find("damaged"), std::string::npos);
}

TEST(Png, EveryPictureTypeSurvivesARoundTripBitExactly) {
  for (const PixelType type : {PixelType::kU8, PixelType::kU16}) {
    for (int channels = 1; channels <= 4; ++channels) {
      for (const int compression : {0, 1, 6, 9}) {
        const Image image = noise(17, 5, channels, type);
        expect_same_pixels(decode(as_string(encode_png(image, compression))), image);
      }
    }
  }
}

TEST(Png, SixteenBitIsBigEndianInTheFile) {
  Image image(1, 1, 1, PixelType::kU16);
  image.row<uint16_t>(0)[0] = 0x1234;
  PngFile f{.width = 1,
            .height = 1,
            .depth = 16,
            .colour = 0,
            .samples = {0x1234},
            .before_pixels = {},
            .after_pixels = {}};
  expect_same_pixels(decode(f.bytes()), image);
  expect_same_pixels(decode(as_string(encode_png(image))), image);
}

TEST(Png, FloatsAreStoredWith16Bit) {
  Image image(3, 1, 1, PixelType::kF32);
  image.row<float>(0)[1] = 0.5f;
  image.row<float>(0)[2] = 1.0f;
  const Image stored = decode(as_string(encode_png(image)));
  ASSERT_EQ(stored.type, PixelType::kU16);
  EXPECT_EQ(stored.row<uint16_t>(0)[0], 0);
  EXPECT_EQ(stored.row<uint16_t>(0)[1], 32768);  // 32767.5, half to even
  EXPECT_EQ(stored.row<uint16_t>(0)[2], 65535);
}

TEST(Png, TextAndProfileSurviveARoundTrip) {
  Image image = noise(4, 4, 3, PixelType::kU8);
  const std::string profile = icc_profile("RGB ", 800);
  image.icc.assign(profile.begin(), profile.end());
  image.text["dedit"] = R"({"prompt":"grün 漢字 🙂"})";
  image.text["long"] = std::string(5000, 'x') + "é";
  image.text["caf\xc3\xa9"] = "";
  const std::string bytes = as_string(encode_png(image));
  const Image read = decode(bytes);
  EXPECT_EQ(read.text, image.text);
  EXPECT_TRUE(read.icc == image.icc);
  EXPECT_NE(bytes.find("grün 漢字"), std::string::npos) << "short texts stay readable";
  EXPECT_LT(bytes.size(), 5000u) << "long texts are compressed";
}

TEST(Png, TheSamePictureGivesTheSameBytes) {
  Image image = noise(31, 9, 4, PixelType::kU16);
  image.text["dedit"] = "{}";
  EXPECT_TRUE(encode_png(image) == encode_png(image));
  EXPECT_EQ(as_string(encode_png(image)).find("tIME"), std::string::npos);
}

TEST(Png, AProfileOfTheOtherColourSpaceIsLeftOut) {
  Image image = noise(4, 4, 3, PixelType::kU8);
  const std::string profile = icc_profile("GRAY");
  image.icc.assign(profile.begin(), profile.end());
  EXPECT_TRUE(decode(as_string(encode_png(image))).icc.empty());
}

TEST(Png, ImpossibleTextsAndLevelsAreRefused) {
  Image image = noise(2, 2, 1, PixelType::kU8);
  EXPECT_THROW(encode_png(image, 10), Error);
  EXPECT_THROW(encode_png(Image()), Error);
  for (const char* key : {"", " a", "a  b", "漢"}) {
    image.text = {{key, "value"}};
    EXPECT_THROW(encode_png(image), Error) << key;
  }
  image.text = {{"key", std::string("a\0b", 3)}};
  EXPECT_THROW(encode_png(image), Error);
}

}  // namespace
}  // namespace dedit

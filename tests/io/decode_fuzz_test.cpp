// Damaged picture files: whatever the bytes, decoding gives a whole picture or Error(kInput).
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "io/opencv_codec.h"
#include "io/picture_files.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using namespace testing;  // NOLINT: the builders of picture_files.h

#ifndef DEDIT_FUZZ_ROUNDS
#define DEDIT_FUZZ_ROUNDS 200
#endif

std::vector<std::string> seed_files() {
  const Image image = noise(17, 9, 3, PixelType::kU8);
  std::vector<std::string> files;
  for (const char* extension : {".jpg", ".webp", ".tif", ".bmp", ".ppm"}) {
    files.push_back(as_string(encode_with_opencv(image, extension)));
  }
  files.push_back(with_segments(files[0], {{0xe1, std::string("Exif\0\0", 6) + exif_block(6)},
                                           {0xe2, std::string("ICC_PROFILE\0\1\1", 14) + "abc"}}));
  files.push_back(with_webp_chunks(files[1], 17, 9, {{"ICCP", "abc"}, {"EXIF", exif_block(8)}}));
  files.push_back(tiff_file(noise(17, 9, 4, PixelType::kU16), 5, "abc", 1));
  files.push_back("P2\n3 2\n100\n0 50 100\n1 2 3\n");
  return files;
}

/// A few bytes overwritten, cut out or doubled.
std::string damaged(std::string bytes, std::mt19937& engine) {
  const auto below = [&](size_t n) { return size_t(engine()) % std::max<size_t>(n, 1); };
  for (size_t i = below(4) + 1; i > 0 && !bytes.empty(); --i) {
    const size_t at = below(bytes.size());
    const size_t n = std::min(below(8) + 1, bytes.size() - at);
    switch (below(6)) {
      case 0:
        bytes.erase(at, n);
        break;
      case 1:
        bytes.insert(at, bytes.substr(at, n));
        break;
      case 2:
        bytes.replace(at, n, std::string(n, '\xff'));
        break;
      case 3:
        bytes.replace(at, n, std::string(n, '\0'));
        break;
      default:
        bytes[at] = char(engine());
        break;
    }
  }
  return bytes;
}

void expect_picture_or_error(const std::string& bytes) {
  try {
    const Image image = decode_image(as_bytes(bytes), "x");
    EXPECT_EQ(image.data.size(), image.row_bytes() * size_t(image.height));
    EXPECT_FALSE(image.empty());
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput) << e.what();
  }
}

TEST(DecodeFuzz, DamagedFilesGiveAPictureOrAnInputError) {
  std::mt19937 engine(1);
  ::testing::internal::CaptureStderr();  // libjpeg warns of damage that it can read over
  for (const std::string& file : seed_files()) {
    for (int i = 0; i < DEDIT_FUZZ_ROUNDS; ++i) expect_picture_or_error(damaged(file, engine));
  }
  ::testing::internal::GetCapturedStderr();
}

TEST(DecodeFuzz, DamagedPngChunksWithValidChecksumsToo) {
  std::mt19937 engine(2);
  for (const int colour : {0, 2, 3, 4, 6}) {
    for (int i = 0; i < DEDIT_FUZZ_ROUNDS; ++i) {
      PngFile f{.width = 7,
                .height = 5,
                .depth = 8,
                .colour = colour,
                .interlaced = i % 2 == 1,
                .samples = {},
                .before_pixels = {},
                .after_pixels = {}};
      f.samples.assign(35 * size_t(f.channels()), 200);
      f.before_pixels = {
          {"iCCP", "n" + std::string(2, '\0') + zlib_compressed(icc_profile("RGB "))},
          {"PLTE", std::string(3 * 201, 'p')},
          {"tRNS", std::string(size_t(f.channels()) * 2, 't')},
          {"eXIf", exif_block(7)},
          {"zTXt", std::string("key\0\0", 5) + zlib_compressed("text")},
          {"iTXt", std::string("key\0\1\0\0\0", 8) + zlib_compressed("text")}};
      if (colour == 0 || colour >= 4) f.before_pixels.erase(f.before_pixels.begin() + 1);
      auto& chunk = f.before_pixels[engine() % f.before_pixels.size()];
      chunk.data = damaged(chunk.data, engine);
      if (i % 5 == 0) f.width = int(engine() % 40);  // too few or too many pixels
      if (i % 7 == 0) f.depth = 16;
      f.samples.resize(size_t(f.width + 1) * 5 * size_t(f.channels()), 3);
      expect_picture_or_error(f.bytes());
      expect_picture_or_error(damaged(f.bytes(), engine));
    }
  }
}

}  // namespace
}  // namespace dedit

#include "io/exif.h"

#include <gtest/gtest.h>

#include "io/picture_files.h"

namespace dedit {
namespace {

using namespace testing;  // NOLINT: the builders of picture_files.h

/// Letters as a grey picture, rows from the top.
Image letters(int width, int height, const std::string& text) {
  Image image(width, height, 1);
  for (size_t i = 0; i < text.size(); ++i) image.data[i] = std::byte(text[i]);
  return image;
}

TEST(Exif, EveryOrientationIsTurnedUpright) {
  // Stored:  A B C   The EXIF table says where row 0 and column 0 of the stored picture lie.
  //          D E F
  struct Case {
    int orientation;
    int width, height;
    const char* upright;
  };
  const Case cases[] = {
      {1, 3, 2, "ABCDEF"},  // row 0 top, column 0 left
      {2, 3, 2, "CBAFED"},  // top, right
      {3, 3, 2, "FEDCBA"},  // bottom, right
      {4, 3, 2, "DEFABC"},  // bottom, left
      {5, 2, 3, "ADBECF"},  // left, top
      {6, 2, 3, "DAEBFC"},  // right, top
      {7, 2, 3, "FCEBDA"},  // right, bottom
      {8, 2, 3, "CFBEAD"},  // left, bottom
  };
  for (const Case& c : cases) {
    const Image out = apply_orientation(letters(3, 2, "ABCDEF"), c.orientation);
    EXPECT_EQ(out.width, c.width);
    EXPECT_EQ(out.height, c.height);
    EXPECT_EQ(as_string(out.data), c.upright) << "orientation " << c.orientation;
  }
}

TEST(Exif, OrientationMovesWholePixelsAndKeepsTheProfile) {
  Image image = noise(5, 3, 4, PixelType::kU16);
  image.icc = {1, 2, 3};
  image.text["a"] = "b";
  const Image out = apply_orientation(image, 3);
  for (int c = 0; c < 4; ++c) {
    EXPECT_EQ(out.row<uint16_t>(0)[c], image.row<uint16_t>(2)[4 * 4 + c]);
  }
  EXPECT_EQ(out.icc, image.icc);
  EXPECT_EQ(out.text, image.text);
}

TEST(Exif, BothByteOrdersAndThePrefixAreRead) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool big_endian : {false, true}) {
      const std::string block = exif_block(orientation, big_endian);
      EXPECT_EQ(exif_orientation(as_bytes(block)), orientation);
      EXPECT_EQ(exif_orientation(as_bytes(std::string("Exif\0\0", 6) + block)), orientation);
    }
  }
}

TEST(Exif, DamagedBlocksMeanUpright) {
  const std::string block = exif_block(6);
  for (size_t n = 0; n < block.size() - 4; ++n) {
    EXPECT_EQ(exif_orientation(as_bytes(block.substr(0, n))), 1) << n;
  }
  EXPECT_EQ(exif_orientation(as_bytes(exif_block(0))), 1);
  EXPECT_EQ(exif_orientation(as_bytes(exif_block(9))), 1);
  std::string far_away = block;
  far_away.replace(4, 4, le(0xfffffff0, 4));
  EXPECT_EQ(exif_orientation(as_bytes(far_away)), 1);
  std::string endless = block;
  endless.replace(8, 2, le(0xffff, 2));
  endless.replace(10, 2, le(275, 2));
  EXPECT_EQ(exif_orientation(as_bytes(endless)), 1);
  std::string huge = block;
  huge.replace(14, 4, le(0xffffffff, 4));
  EXPECT_EQ(exif_orientation(as_bytes(huge)), 1);
}

}  // namespace
}  // namespace dedit

#include <gtest/gtest.h>

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

std::string error_of(int x, int y, int w, int h, int feather) {
  try {
    box_mask(128, 96, x, y, w, h, feather);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    return e.what();
  }
  return "no error";
}

TEST(BoxMask, IsWhiteInsideAndBlackOutside) {
  const Image mask = box_mask(20, 10, 3, 2, 5, 4, 0);
  ASSERT_EQ(mask.channels, 1);
  for (int y = 0; y < 10; ++y) {
    for (int x = 0; x < 20; ++x) {
      const bool inside = x >= 3 && x < 8 && y >= 2 && y < 6;
      ASSERT_EQ(mask.row<uint8_t>(y)[x], inside ? 255 : 0);
    }
  }
}

TEST(BoxMask, FadesInwardInEqualSteps) {
  const Image mask = box_mask(40, 40, 10, 10, 20, 20, 4);
  const uint8_t expected[] = {0, 51, 102, 153, 204, 255, 255};
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(mask.row<uint8_t>(20)[9 + i], expected[i]);
    EXPECT_EQ(mask.row<uint8_t>(20)[30 - i], expected[i]);
    EXPECT_EQ(mask.row<uint8_t>(9 + i)[20], expected[i]);
    EXPECT_EQ(mask.row<uint8_t>(30 - i)[20], expected[i]);
  }
}

TEST(BoxMask, EveryPixelOfTheBoxIsRepaintedAndItsMiddleFully) {
  for (const int feather : {1, 50, 600}) {
    const int side = 2 * feather + 1;
    const Image mask = box_mask(side, side, 0, 0, side, side, feather);
    EXPECT_GT(mask.row<uint8_t>(0)[0], 0);
    EXPECT_EQ(mask.row<uint8_t>(feather)[feather], 255);
  }
}

TEST(BoxMask, BoxesThatLeaveThePictureAreRefused) {
  EXPECT_EQ(error_of(0, 0, 128, 96, 0), "no error");
  EXPECT_EQ(error_of(1, 0, 128, 96, 0), "mask box: 1,0,128,96 leaves the 128x96 picture");
  EXPECT_EQ(error_of(-1, 0, 8, 8, 0), "mask box: -1,0,8,8 leaves the 128x96 picture");
  EXPECT_EQ(error_of(0, 90, 8, 8, 0), "mask box: 0,90,8,8 leaves the 128x96 picture");
  EXPECT_EQ(error_of(2147483647, 0, 2147483647, 8, 0),
            "mask box: 2147483647,0,2147483647,8 leaves the 128x96 picture");
  EXPECT_EQ(error_of(0, 0, 0, 8, 0), "mask box: 0x8 is empty");
}

TEST(BoxMask, AFeatherThatLeavesNoWhiteIsRefused) {
  EXPECT_EQ(error_of(0, 0, 21, 30, 10), "no error");
  EXPECT_EQ(error_of(0, 0, 21, 30, 11),
            "mask box: feather 11 is outside 0..10, which a box of 21x30 has room for (it fades "
            "inward from each side)");
  EXPECT_NE(error_of(0, 0, 21, 30, -1), "no error");
}

}  // namespace
}  // namespace dedit

#include "dedit/lint.h"

#include <gtest/gtest.h>

#include "dedit/mask.h"

namespace dedit {
namespace {

TEST(Lint, MasksThatCannotBeMeantAreNamed) {
  const Image box = box_mask(40, 30, 10, 10, 8, 8, 0);
  EXPECT_TRUE(lint_mask(box).empty());
  EXPECT_TRUE(lint_mask(box_mask(40, 30, 0, 0, 40, 20, 0)).empty());
  const auto inverse = lint_mask(invert_mask(box));
  ASSERT_EQ(inverse.size(), 1u);
  EXPECT_NE(inverse[0].find("dedit mask invert"), std::string::npos);
  EXPECT_NE(lint_mask(Image(4, 4, 1)).at(0).find("nothing is repainted"), std::string::npos);
  EXPECT_NE(lint_mask(invert_mask(Image(4, 4, 1))).at(0).find("nothing is kept"),
            std::string::npos);
}

TEST(Lint, DarkLinesOnWhiteAreNamed) {
  const Image lines = box_mask(40, 30, 10, 10, 2, 18, 0);
  EXPECT_TRUE(lint_map(lines, "m.png").empty());
  EXPECT_NE(lint_map(invert_mask(lines), "m.png").at(0).find("m.png looks like dark lines"),
            std::string::npos);
  EXPECT_TRUE(lint_map(invert_mask(Image(4, 4, 1)), "white.png").empty());
  Image ramp(256, 1, 1);  // depth maps may be light
  for (int x = 0; x < 256; ++x) ramp.row<uint8_t>(0)[x] = uint8_t(x);
  EXPECT_TRUE(lint_map(ramp, "depth.png").empty());
}

TEST(Lint, AlphaOverOneColourIsNamed) {
  EXPECT_EQ(lint_picture(mask_to_alpha(box_mask(9, 9, 2, 2, 3, 3, 0))).size(), 1u);
  EXPECT_TRUE(lint_picture(Image(9, 9, 4)).empty());
  EXPECT_TRUE(lint_picture(Image(9, 9, 3)).empty());
  Image coloured = mask_to_alpha(box_mask(9, 9, 2, 2, 3, 3, 0));
  coloured.row<uint8_t>(4)[2 * 4] = 7;
  EXPECT_TRUE(lint_picture(coloured).empty());
}

}  // namespace
}  // namespace dedit

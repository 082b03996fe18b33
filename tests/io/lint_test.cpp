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

TEST(Lint, AnotherAspectIsNamedWithBothSizesAndTheRemedy) {
  const Image map(96, 64, 3);
  EXPECT_TRUE(lint_aspect(map, "the map", {48, 32}, Fit::kExact).empty());
  EXPECT_TRUE(lint_aspect(map, "the map", {50, 33}, Fit::kExact).empty());  // as near as pixels go
  const std::pair<Fit, const char*> fits[] = {
      {Fit::kCrop, "cut off evenly"}, {Fit::kStretch, "stretched"}, {Fit::kFill, "given borders"}};
  for (const auto& [fit, words] : fits) {
    const auto found = lint_aspect(map, "the map", {64, 64}, fit);
    ASSERT_EQ(found.size(), 1u);
    for (const char* part : {"the map is 96x64", "64x64", words, "--fit"}) {
      EXPECT_NE(found[0].find(part), std::string::npos) << found[0];
    }
  }
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

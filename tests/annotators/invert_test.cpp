#include <gtest/gtest.h>

#include "annotators/annotator.h"

namespace dedit {
namespace {

TEST(Invert, TurnsDarkLinesOnWhiteIntoLightLinesOnBlack) {
  Image drawing(3, 1, 1);
  drawing.data = {std::byte{0}, std::byte{255}, std::byte{100}};
  const Image map = annotate(*find_annotator("invert"), drawing, {}).map;
  ASSERT_EQ(map.channels, 3);
  const std::vector<std::byte> expected = {std::byte{255}, std::byte{255}, std::byte{255},
                                           std::byte{0},   std::byte{0},   std::byte{0},
                                           std::byte{155}, std::byte{155}, std::byte{155}};
  EXPECT_EQ(map.data, expected);
}

TEST(Invert, LeavesTransparentPaperBlack) {
  const Image map = annotate(*find_annotator("invert"), Image(2, 2, 4), {}).map;
  EXPECT_EQ(map.data, std::vector<std::byte>(12, std::byte{0}));
}

}  // namespace
}  // namespace dedit

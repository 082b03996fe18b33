#include <numbers>

#include <gtest/gtest.h>

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

int64_t count_white(const Image& mask) {
  return std::count(mask.data.begin(), mask.data.end(), std::byte{255});
}

TEST(EllipseMask, HasTheAreaOfAnEllipse) {
  const Image mask = ellipse_mask(200, 100, {20, 10, 160, 80}, 0);
  EXPECT_NEAR(double(count_white(mask)), std::numbers::pi * 80 * 40, 60);
  EXPECT_EQ(mask.row<uint8_t>(50)[20], 255);
  EXPECT_EQ(mask.row<uint8_t>(50)[19], 0);
  EXPECT_EQ(mask.row<uint8_t>(10)[20], 0);
}

TEST(EllipseMask, TurnsClockwise) {
  const Image mask = ellipse_mask(101, 101, {0, 40, 101, 21}, 45);
  EXPECT_EQ(mask.row<uint8_t>(80)[80], 255);  // right and below
  EXPECT_EQ(mask.row<uint8_t>(20)[80], 0);
  EXPECT_EQ(count_white(ellipse_mask(101, 101, {0, 40, 101, 21}, 90)),
            count_white(ellipse_mask(101, 101, {40, 0, 21, 101}, 0)));
}

TEST(PolygonMask, FillsWhatTheRectangleCovers) {
  const Image mask = polygon_mask(10, 10, {{{2, 3}, {6.9, 3}, {6.9, 7.9}, {2, 7.9}}});
  EXPECT_EQ(mask.data, box_mask(10, 10, 2, 3, 5, 5, 0).data);
}

TEST(PolygonMask, ASecondPolygonInsideIsAHole) {
  const Image mask = polygon_mask(
      30, 30, {{{0, 0}, {29, 0}, {29, 29}, {0, 29}}, {{10, 10}, {20, 10}, {20, 20}, {10, 20}}});
  EXPECT_EQ(mask.row<uint8_t>(5)[5], 255);
  EXPECT_EQ(mask.row<uint8_t>(15)[15], 0);
}

TEST(PolygonMask, PartsOutsideAreCutAndNothingInsideIsRefused) {
  EXPECT_EQ(count_white(polygon_mask(8, 8, {{{-50, -50}, {500, -50}, {500, 500}, {-50, 500}}})),
            64);
  EXPECT_THROW(polygon_mask(8, 8, {{{20, 20}, {30, 20}, {30, 30}}}), Error);
  EXPECT_THROW(polygon_mask(8, 8, {{{-1e6, -1e6}, {-1e6, -9e5}, {-9e5, -9e5}}}), Error);
  EXPECT_THROW(ellipse_mask(8, 8, {100, 100, 5, 5}, 0), Error);
  EXPECT_THROW(ellipse_mask(8, 8, {1, 1, 0, 5}, 0), Error);
}

TEST(BrushMask, StrokesPaintAndErase) {
  const MaskStroke line{{{5, 10}, {35, 10}}, 3, false};
  const MaskStroke gap{{{20, 10}}, 2, true};
  const Image mask = brush_mask(40, 20, {line, gap});
  EXPECT_EQ(mask.row<uint8_t>(10)[10], 255);
  EXPECT_EQ(mask.row<uint8_t>(12)[10], 255);
  EXPECT_EQ(mask.row<uint8_t>(13)[10], 0);
  EXPECT_EQ(mask.row<uint8_t>(10)[20], 0);
  EXPECT_EQ(mask.row<uint8_t>(10)[37], 255);
  EXPECT_EQ(mask.row<uint8_t>(10)[38], 0);
  EXPECT_EQ(count_white(brush_mask(9, 9, {{{{4.5, 4.5}}, 0, false}})), 1);
}

}  // namespace
}  // namespace dedit

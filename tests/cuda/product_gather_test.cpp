// The index maps of the left matrix and of GEGLU's weights, against their definitions.
#include "cuda/product_gather.h"

#include <set>

#include <gtest/gtest.h>

namespace dedit::cuda {
namespace {

ProductArgs conv(int64_t height, int64_t width, int kernel, int stride, int pad_top, int pad_left) {
  ProductArgs a;
  a.batch = 3;
  a.height = height;
  a.width = width;
  a.channels = 5;
  a.channels2 = 2;
  a.kernel = kernel;
  a.stride = stride;
  a.pad_top = pad_top;
  a.pad_left = pad_left;
  a.out_height = (height + 2 * pad_top - kernel) / stride + 1;
  a.out_width = (width + 2 * pad_left - kernel) / stride + 1;
  return a;
}

// The pixel under a tap by the definition, -1 outside.
int pixel_of(const ProductArgs& a, int64_t m, int tap_y, int tap_x) {
  const int64_t image = m / (a.out_height * a.out_width);
  const int64_t y = m / a.out_width % a.out_height * a.stride - a.pad_top + tap_y;
  const int64_t x = m % a.out_width * a.stride - a.pad_left + tap_x;
  const int64_t scale = a.upsample2x ? 2 : 1;
  if (y < 0 || x < 0 || y >= a.height * scale || x >= a.width * scale) return -1;
  return int((image * a.height + y / scale) * a.width + x / scale);
}

void expect_pixels(const ProductArgs& a) {
  const Gather g = gather_of(a);
  for (int m = 0; m < g.rows; ++m) {
    const GatherRow row = gather_row(g, m);
    for (int tap = 0; tap < a.kernel * a.kernel; ++tap) {
      EXPECT_EQ(gather_pixel(g, row, tap / a.kernel, tap % a.kernel),
                pixel_of(a, m, tap / a.kernel, tap % a.kernel));
    }
    EXPECT_EQ(gather_pixel(g, row, a.kernel, 0), -1);  // past the last column
  }
  EXPECT_EQ(gather_pixel(g, gather_row(g, g.rows), 0, 0), -1);  // past the last row
}

TEST(ProductGather, PixelsUnderTaps) {
  expect_pixels(conv(5, 7, 3, 1, 1, 1));
  expect_pixels(conv(6, 9, 3, 2, 1, 0));
  expect_pixels(conv(4, 4, 1, 1, 0, 0));
  expect_pixels(conv(5, 8, 4, 3, 2, 5));
}

TEST(ProductGather, PixelsOfAnEnlargedInput) {
  auto a = conv(5, 3, 3, 1, 1, 1);
  a.upsample2x = true;
  a.out_height = 10;
  a.out_width = 6;
  expect_pixels(a);
}

TEST(ProductGather, WalkingReachesTheColumnsOfADivision) {
  const Gather g = gather_of(conv(5, 7, 3, 1, 1, 1));
  const int length = 9 * 7;
  for (const int step : {1, 3, 7, 8, 32}) {
    for (int first = 0; first < 40; ++first) {
      GatherColumn walked = gather_column(g, first);
      for (int k = first + step; k < length + 2 * step; k += step) {
        const GatherColumn before = walked, exact = gather_column(g, k);
        const bool other_tap = gather_advance(g, walked, step);
        const bool moved = before.tap_y != walked.tap_y || before.tap_x != walked.tap_x;
        EXPECT_TRUE(k >= length || other_tap == moved) << k;
        const int index = column_index(g, walked);
        EXPECT_TRUE(k < length ? index == k : index >= length) << k;
        EXPECT_EQ(walked.tap_y, exact.tap_y) << k;
        EXPECT_EQ(walked.channel, exact.channel) << k;
        EXPECT_TRUE(k >= length || walked.tap_x == exact.tap_x) << k;
      }
    }
  }
}

TEST(ProductGather, ChannelsOfTwoInputs) {
  const Gather g = gather_of(conv(5, 7, 3, 1, 1, 1));
  const float x[5] = {}, x2[2] = {};
  EXPECT_EQ(gather_source(g, x, x2, 4).base, x);
  EXPECT_EQ(gather_source(g, x, x2, 4).channel, 4);
  EXPECT_EQ(gather_source(g, x, x2, 5).base, x2);
  EXPECT_EQ(gather_source(g, x, x2, 6).channel, 1);
  EXPECT_EQ(gather_source(g, x, x2, 6).stride, 2);
}

TEST(ProductGather, DividesWithoutADivision) {
  constexpr int kMost = 0x7fffffff;
  for (int d = 1; d < 300; ++d) {
    const Divider by = divider_of(d);
    for (int n = 0; n < 1000; ++n) ASSERT_EQ(divide(n, by), n / d);
    for (int q = kMost / d - 3; q < kMost / d; ++q) {
      ASSERT_EQ(divide(q * d, by), q);
      ASSERT_EQ(divide(q * d + d - 1, by), q);
    }
    ASSERT_EQ(divide(kMost, by), kMost / d);
  }
  for (const int d : {4096, 4097, 65535, 65536, 1 << 30, (1 << 30) + 1, kMost - 1, kMost}) {
    const Divider by = divider_of(d);
    for (const int n : {0, 1, d - 1, d, kMost - 1, kMost}) ASSERT_EQ(divide(n, by), n / d) << d;
  }
}

// Each weight row once, a gate half a group behind its value; what is left over is past the end.
TEST(ProductGather, GegluTakesValuesAndGatesOfTheSameColumns) {
  for (const int group : {8, 64}) {
    for (const int columns : {1, 4, 31, 32, 33, 100}) {
      std::set<int> seen;
      const int rows = (columns + group / 2 - 1) / (group / 2) * group;
      for (int row = 0; row < rows; ++row) {
        const int weight = geglu_weight_row(row, group, 2 * columns);
        if (weight >= 2 * columns) continue;
        EXPECT_TRUE(seen.insert(weight).second);
        if (row % group < group / 2) {
          EXPECT_EQ(geglu_weight_row(row + group / 2, group, 2 * columns), weight + columns);
        }
      }
      EXPECT_EQ(seen.size(), size_t(2 * columns));
    }
  }
}

}  // namespace
}  // namespace dedit::cuda

#include "io/geometry.h"

#include <gtest/gtest.h>

#include "io/image_ops.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// Grey: every pixel tells its column and row.
Image ramp(int w, int h) {
  Image image(w, h, 3);
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      uint8_t* p = image.row<uint8_t>(y) + 3 * x;
      p[0] = uint8_t(x), p[1] = uint8_t(y), p[2] = 77;
    }
  }
  return image;
}

const uint8_t* at(const Image& image, int x, int y) {
  return image.row<uint8_t>(y) + image.channels * x;
}

TEST(Geometry, OfTheSameSizeIsTheIdentity) {
  const Geometry g = make_geometry(37, 21, {}, 37, 21, Fit::kExact, 8);
  EXPECT_EQ(g.grid_width, 40);
  EXPECT_EQ(g.grid_height, 24);
  EXPECT_EQ(g.x_of(5.5), 5.5);
  const Image image = ramp(37, 21);
  EXPECT_EQ(place_picture(g, image).data, image.data);
  EXPECT_EQ(g.text(), "37x21, exact on 37x21, grid 40x24");
}

TEST(Geometry, FollowsTheWebUisThreeRules) {
  // Of 640x480 on 512x512, as the extension's formulas have it.
  const Geometry stretch = make_geometry(640, 480, {}, 512, 512, Fit::kStretch, 8);
  EXPECT_EQ(stretch.scaled_width, 512);
  EXPECT_EQ(stretch.scaled_height, 512);
  const Geometry crop = make_geometry(640, 480, {}, 512, 512, Fit::kCrop, 8);
  EXPECT_EQ(crop.scaled_width, 683);  // round(640 * 512 / 480)
  EXPECT_EQ(crop.scaled_height, 512);
  EXPECT_EQ(crop.left, -85);  // (683 - 512) // 2
  EXPECT_EQ(crop.top, 0);
  const Geometry fill = make_geometry(640, 480, {}, 512, 512, Fit::kFill, 8);
  EXPECT_EQ(fill.scaled_width, 512);
  EXPECT_EQ(fill.scaled_height, 384);
  EXPECT_EQ(fill.top, 64);
  // Half to even: 5 * 2.5 is 12.5.
  EXPECT_EQ(make_geometry(5, 2, {}, 50, 5, Fit::kFill, 8).scaled_width, 12);
}

TEST(Geometry, PixelPerfectResolutionIsTheWebUis) {
  EXPECT_EQ(pixel_perfect_resolution(make_geometry(640, 480, {}, 512, 512, Fit::kCrop, 8)), 512);
  EXPECT_EQ(pixel_perfect_resolution(make_geometry(640, 480, {}, 512, 512, Fit::kStretch, 8)), 512);
  EXPECT_EQ(pixel_perfect_resolution(make_geometry(640, 480, {}, 512, 512, Fit::kFill, 8)), 384);
  EXPECT_EQ(pixel_perfect_resolution(make_geometry(1000, 333, {}, 512, 768, Fit::kCrop, 8)), 768);
}

TEST(Geometry, ACropIsThatPartOfThePicture) {
  const Geometry g = make_geometry(60, 40, Rect{10, 5, 24, 16}, 24, 16, Fit::kExact, 8);
  const Image out = place_picture(g, ramp(60, 40));
  EXPECT_EQ(at(out, 0, 0)[0], 10);
  EXPECT_EQ(at(out, 23, 15)[1], 20);
  EXPECT_EQ(g.x_of(10), 0);
  EXPECT_EQ(g.y_of(21), 16);
}

TEST(Geometry, CuttingTakesTheMiddle) {
  const Geometry g = make_geometry(60, 40, {}, 40, 40, Fit::kCrop, 8);
  const Image out = place_picture(g, ramp(60, 40));
  EXPECT_EQ(at(out, 0, 7)[0], 10);
  EXPECT_EQ(at(out, 39, 7)[0], 49);
}

TEST(Geometry, BordersRepeatThePictureAndTakeTheMedianOfAMap) {
  const Geometry g = make_geometry(40, 20, {}, 40, 40, Fit::kFill, 8);
  Image map = ramp(40, 20);
  const Image picture = place_picture(g, map);
  EXPECT_EQ(at(picture, 3, 0)[1], 0);
  EXPECT_EQ(at(picture, 3, 12)[1], 2);
  EXPECT_EQ(at(picture, 3, 39)[1], 19);
  std::fill(map.data.begin(), map.data.end(), std::byte{9});
  map.row<uint8_t>(0)[0] = 200;
  const Image placed = place_map(g, map, Compat::kOwn);
  EXPECT_EQ(at(placed, 0, 0)[0], 9);
  EXPECT_EQ(at(placed, 0, 10)[0], 200);
}

TEST(Geometry, OtherAspectsAndCropsOutsideAreUsage) {
  const auto refused = [](const std::optional<Rect>& crop, int w, int h, Fit fit) {
    try {
      make_geometry(64, 48, crop, w, h, fit, 8);
    } catch (const Error& e) {
      return e.kind() == ErrorKind::kUsage;
    }
    return false;
  };
  EXPECT_TRUE(refused({}, 64, 64, Fit::kExact));
  EXPECT_FALSE(refused({}, 32, 24, Fit::kExact));
  EXPECT_FALSE(refused({}, 21, 16, Fit::kExact));  // 21.3: within the rounding
  for (const Rect& r : {Rect{-1, 0, 8, 8}, Rect{60, 0, 8, 8}, Rect{0, 0, 0, 8}, Rect{0, 41, 8, 8},
                        Rect{0, 0, 8, 1 << 30}}) {
    EXPECT_TRUE(refused(r, 64, 48, Fit::kStretch)) << r.x << " " << r.height;
  }
  EXPECT_TRUE(
      refused(Rect{0, 0, 1, 48}, 16384, 16384, Fit::kCrop));  // would scale beyond the limit
}

}  // namespace
}  // namespace dedit

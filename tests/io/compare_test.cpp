#include "dedit/compare.h"

#include <cmath>
#include <fstream>
#include <numeric>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

using nlohmann::json;

const std::string kFolder = std::string(DEDIT_TEST_DATA) + "/compare/";

json expected() {
  std::ifstream file(kFolder + "expected.json");
  return json::parse(file);
}

TEST(Ciede2000, EqualsThePublishedPairsAndScikitImage) {
  const json data = expected();
  ASSERT_EQ(data["sharma"].size(), 34u);
  for (const json& row : data["sharma"]) {
    const std::array<double, 3> a = row["a"];
    const std::array<double, 3> b = row["b"];
    const double published = row["published"];
    const double computed = row["skimage"];
    EXPECT_NEAR(ciede2000(a, b), published, 5e-5 + 1e-9) << row;  // four decimals
    EXPECT_NEAR(ciede2000(a, b), computed, 1e-9) << row;
    EXPECT_NEAR(ciede2000(b, a), computed, 1e-9) << row;
  }
}

TEST(Compare, MeasuresAsScikitImageDoes) {
  const json data = expected();
  for (const json& row : data["pictures"]) {
    const Image a = load_image(kFolder + row["a"].get<std::string>());
    const Image b = load_image(kFolder + row["b"].get<std::string>());
    const PixelDistance d = compare_pictures(a, b).all;
    EXPECT_NEAR(d.psnr, row["psnr"].get<double>(), 1e-9);
    EXPECT_NEAR(d.ssim, row["ssim"].get<double>(), 1e-9);
    // Lab passes through powers; 1e-6 is far below the two decimals shown.
    EXPECT_NEAR(d.delta_e, row["ciede2000_mean"].get<double>(), 1e-6);
    EXPECT_NEAR(d.delta_e_most, row["ciede2000_max"].get<double>(), 1e-6);
  }
}

Image red_of(const Image& rgb) {
  Image grey(rgb.width, rgb.height, 1);
  for (size_t i = 0; i < grey.data.size(); ++i) grey.data[i] = rgb.data[3 * i];
  return grey;
}

TEST(Compare, DepthOrderIsSpearmans) {
  const json data = expected();
  for (const json& row : data["pictures"]) {
    const Image a = load_image(kFolder + row["a"].get<std::string>());
    const Image b = load_image(kFolder + row["b"].get<std::string>());
    CompareOptions options;
    options.depth_a = red_of(a);
    options.depth_b = red_of(b);
    EXPECT_NEAR(*compare_pictures(a, b, options).depth_correlation,
                row["spearman_of_red"].get<double>(), 1e-9);
  }
}

Image flat(int width, int height, uint8_t value) {
  Image image(width, height, 3);
  std::fill(image.data.begin(), image.data.end(), std::byte{value});
  return image;
}

TEST(Compare, EqualPicturesAreInfinitelyClose) {
  const Comparison c = compare_pictures(flat(9, 7, 5), flat(9, 7, 5));
  EXPECT_TRUE(std::isinf(c.all.psnr));
  EXPECT_DOUBLE_EQ(c.all.ssim, 1);
  EXPECT_EQ(c.all.delta_e, 0);
  EXPECT_EQ(c.changed, 0);
  EXPECT_EQ(c.edges.f1, 1);
  EXPECT_FALSE(c.inside.has_value());
}

TEST(Compare, MasksSplitTheFigures) {
  const Image a = flat(10, 4, 100);
  Image b = a;
  b.row<uint8_t>(1)[3 * 2] = 120;  // inside
  b.row<uint8_t>(2)[3 * 7] = 130;  // outside
  CompareOptions options;
  options.mask = box_mask(10, 4, 0, 0, 5, 4, 0);
  const Comparison c = compare_pictures(a, b, options);
  EXPECT_EQ(c.changed, 2);
  EXPECT_EQ(c.changed_outside, 1);
  EXPECT_EQ(c.inside->pixels, 20);
  EXPECT_EQ(c.outside->pixels, 20);
  EXPECT_NEAR(c.inside->psnr, 10 * std::log10(255.0 * 255 * 60 / 400), 1e-12);
  EXPECT_NEAR(c.outside->psnr, 10 * std::log10(255.0 * 255 * 60 / 900), 1e-12);
}

TEST(Compare, OneBitIn16CountsAsAChange) {
  Image a(3, 3, 1, PixelType::kU16);
  Image b = a;
  b.row<uint16_t>(1)[1] = 1;
  EXPECT_EQ(compare_pictures(a, b).changed, 1);
}

/// A white square at (x, x) of a black picture.
Image square(int x) {
  Image image(64, 64, 3);
  for (int j = 0; j < 20; ++j) {
    std::fill_n(image.row<uint8_t>(x + j) + 3 * x, 60, uint8_t{255});
  }
  return image;
}

TEST(Compare, EdgesMayBeOffByTheTolerance) {
  CompareOptions options;
  options.tolerance = 3;
  EXPECT_EQ(compare_pictures(square(20), square(22), options).edges.f1, 1);
  options.tolerance = 0;
  EXPECT_LT(compare_pictures(square(20), square(22), options).edges.f1, 0.3);
  const EdgeAgreement none = compare_pictures(square(20), flat(64, 64, 0), options).edges;
  EXPECT_EQ(none.f1, 0);
  EXPECT_GT(none.asked, 0);
  EXPECT_EQ(none.found, 0);
}

TEST(Compare, OtherSizesAreRefused) {
  EXPECT_THROW(compare_pictures(flat(4, 4, 0), flat(4, 5, 0)), Error);
}

}  // namespace
}  // namespace dedit

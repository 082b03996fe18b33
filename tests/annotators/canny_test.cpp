#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "annotators/annotator.h"
#include "core/rgb8.h"

#include "dedit/error.h"

namespace dedit {
namespace {

struct Thresholds {
  double low = 100;
  double high = 200;
  bool l2 = false;
};

/// Canny as OpenCV documents and defines it, pixel by pixel and slowly: the second implementation.
class SlowCanny {
 public:
  SlowCanny(const Image& rgb, Thresholds t) : w_(rgb.width), h_(rgb.height), rgb_(rgb) {
    if (t.low > t.high) std::swap(t.low, t.high);
    low_ = int(std::floor(t.l2 ? t.low * t.low : t.low));
    high_ = int(std::floor(t.l2 ? t.high * t.high : t.high));
    const size_t n = size_t(w_) * size_t(h_);
    dx_.resize(n);
    dy_.resize(n);
    norm_.resize(n);
    for (int y = 0; y < h_; ++y) {
      for (int x = 0; x < w_; ++x) measure(x, y, t.l2);
    }
    edge_.resize(n);
    for (int y = 0; y < h_; ++y) {
      for (int x = 0; x < w_; ++x) {
        if (norm(x, y) > high_ && is_ridge(x, y)) follow(x, y);
      }
    }
  }
  bool is_edge(int x, int y) const { return edge_[at(x, y)] != 0; }

 private:
  size_t at(int x, int y) const { return size_t(y) * size_t(w_) + size_t(x); }
  int sample(int x, int y, int c) const {
    return rgb_.row<uint8_t>(std::clamp(y, 0, h_ - 1))[3 * std::clamp(x, 0, w_ - 1) + c];
  }
  int norm(int x, int y) const {
    return x < 0 || y < 0 || x >= w_ || y >= h_ ? 0 : norm_[at(x, y)];
  }

  void measure(int x, int y, bool l2) {
    norm_[at(x, y)] = -1;
    for (int c = 0; c < 3; ++c) {
      int dx = 0;
      int dy = 0;
      for (int k = -1; k <= 1; ++k) {
        const int weight = k == 0 ? 2 : 1;
        dx += weight * (sample(x + 1, y + k, c) - sample(x - 1, y + k, c));
        dy += weight * (sample(x + k, y + 1, c) - sample(x + k, y - 1, c));
      }
      const int n = l2 ? dx * dx + dy * dy : std::abs(dx) + std::abs(dy);
      if (n <= norm_[at(x, y)]) continue;  // the first of the largest
      norm_[at(x, y)] = n;
      dx_[at(x, y)] = dx;
      dy_[at(x, y)] = dy;
    }
  }

  /// Largest across the edge; one of two equal neighbours stays.
  bool is_ridge(int x, int y) const {
    constexpr double kTan22 = 0.4142135623730950488;
    const int64_t tan22 = int64_t(kTan22 * (1 << 15) + 0.5);
    const int dx = dx_[at(x, y)];
    const int dy = dy_[at(x, y)];
    const int64_t across = std::abs(dx) * tan22;
    const int64_t along = int64_t(std::abs(dy)) << 15;
    const int n = norm(x, y);
    if (along < across) return n > norm(x - 1, y) && n >= norm(x + 1, y);
    if (along > across + (int64_t(std::abs(dx)) << 16)) {
      return n > norm(x, y - 1) && n >= norm(x, y + 1);
    }
    const int s = (dx < 0) != (dy < 0) ? -1 : 1;
    return n > norm(x - s, y - 1) && n > norm(x + s, y + 1);
  }

  void follow(int x, int y) {
    std::vector<std::pair<int, int>> open = {{x, y}};
    while (!open.empty()) {
      const auto [px, py] = open.back();
      open.pop_back();
      if (px < 0 || py < 0 || px >= w_ || py >= h_ || edge_[at(px, py)] != 0) continue;
      if (norm(px, py) <= low_ || !is_ridge(px, py)) continue;
      edge_[at(px, py)] = 1;
      for (int j = -1; j <= 1; ++j) {
        for (int i = -1; i <= 1; ++i) open.emplace_back(px + i, py + j);
      }
    }
  }

  int w_, h_, low_, high_;
  const Image& rgb_;
  std::vector<int> dx_, dy_, norm_;
  std::vector<char> edge_;
};

const Annotator& canny() {
  return *find_annotator("canny");
}

Annotation run(const Image& image, const Thresholds& t) {
  AnnotatorArgs args;
  args.values = {{"low", t.low}, {"high", t.high}, {"l2", t.l2 ? 1.0 : 0.0}};
  return annotate(canny(), image, args);
}

/// Noise, smoothed `rounds` times, so that edges of every length come up.
Image noise_picture(int width, int height, int channels, int rounds, uint32_t seed) {
  Image image(width, height, channels);
  std::mt19937 engine(seed);
  for (std::byte& b : image.data) b = std::byte(engine() >> 24);
  for (int i = 0; i < rounds; ++i) {
    for (size_t k = size_t(channels); k < image.data.size(); ++k) {
      image.data[k] = std::byte((int(image.data[k]) + int(image.data[k - size_t(channels)])) / 2);
    }
  }
  return image;
}

void expect_equals_slow(const Image& image, const Thresholds& t) {
  const Image map = run(image, t).map;
  ASSERT_EQ(map.width, image.width);
  ASSERT_EQ(map.height, image.height);
  ASSERT_EQ(map.channels, 3);
  const Image rgb = to_rgb8(image);
  const SlowCanny slow(rgb, t);
  for (int y = 0; y < map.height; ++y) {
    for (int x = 0; x < map.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        ASSERT_EQ(map.row<uint8_t>(y)[3 * x + c], slow.is_edge(x, y) ? 255 : 0)
            << "at " << x << "," << y << " low " << t.low << " high " << t.high << " l2 " << t.l2;
      }
    }
  }
}

TEST(Canny, EqualsASlowImplementationOnRandomPictures) {
  const std::pair<int, int> sizes[] = {{1, 1},   {1, 7},   {7, 1},  {2, 2},
                                       {33, 17}, {64, 48}, {75, 91}};
  uint32_t seed = 1;
  for (const auto& [width, height] : sizes) {
    for (const int rounds : {0, 1, 3}) {
      for (const bool l2 : {false, true}) {
        const Image image = noise_picture(width, height, 3, rounds, seed++);
        for (const auto& [low, high] :
             {std::pair{100.0, 200.0}, {0.0, 0.0}, {40.5, 90.75}, {500.0, 700.0}}) {
          expect_equals_slow(image, {low, high, l2});
        }
      }
    }
  }
}

TEST(Canny, GreyAlphaAndDeepPicturesGoThroughRgb8) {
  for (int channels = 1; channels <= 4; ++channels) {
    expect_equals_slow(noise_picture(31, 23, channels, 2, 77), {});
    expect_equals_slow(to_depth(noise_picture(31, 23, channels, 2, 78), PixelType::kU16), {});
  }
}

TEST(Canny, AnEdgeBetweenColoursOfEqualLumaIsFound) {
  Image image(16, 16, 3);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x) {
      uint8_t* p = image.row<uint8_t>(y) + 3 * x;
      p[0] = x < 8 ? 200 : 0;
      p[1] = x < 8 ? 0 : 102;  // Rec. 601 luma 60 on both sides
    }
  }
  const Image map = run(image, {}).map;
  EXPECT_EQ(std::count(map.data.begin(), map.data.end(), std::byte{255}), 16 * 3);
}

TEST(Canny, TransparentPixelsAreWhitePaper) {
  Image image(16, 16, 4);  // black everywhere, opaque only in a square
  for (int y = 5; y < 11; ++y) {
    for (int x = 5; x < 11; ++x) image.row<uint8_t>(y)[4 * x + 3] = 255;
  }
  const Image map = run(image, {}).map;
  EXPECT_GT(std::count(map.data.begin(), map.data.end(), std::byte{255}), 0);
}

TEST(Canny, ThresholdsInReverseAreSwappedWithAWarning) {
  const Image image = noise_picture(40, 30, 3, 2, 5);
  const Annotation swapped = run(image, {200, 100, false});
  EXPECT_TRUE(swapped.map.data == run(image, {100, 200, false}).map.data);
  ASSERT_EQ(swapped.warnings.size(), 1u);
  EXPECT_EQ(swapped.warnings[0], "canny: --low 200 is above --high 100; they were swapped");
  EXPECT_TRUE(run(image, {}).warnings.empty());
}

TEST(Canny, ThresholdsForAShareOfEdgesAreTheNearestThatThereAre) {
  const Image image = noise_picture(160, 120, 3, 3, 9);
  const auto share_at = [&](double high) {
    const Image map = run(image, {high / 2, high, false}).map;
    return double(std::count(map.data.begin(), map.data.end(), std::byte{255})) /
           double(map.data.size());
  };
  for (const double density : {0.02, 0.05, 0.1}) {
    AnnotatorArgs args;
    args.values["edge-density"] = density;
    const Image map = annotate(canny(), image, args).map;
    const double share = double(std::count(map.data.begin(), map.data.end(), std::byte{255})) /
                         double(map.data.size());
    double least = 1;
    for (int high = 0; high <= 1020; high += 5) {
      least = std::min(least, std::abs(share_at(high) - density));
    }
    EXPECT_LE(std::abs(share - density), least) << density;
  }
}

TEST(Canny, AFinishedEdgeMapAndAFlatPictureAreWarnedOf) {
  const Image map = run(noise_picture(40, 30, 3, 2, 5), {}).map;
  const Annotation again = run(map, {});
  ASSERT_EQ(again.warnings.size(), 1u);
  EXPECT_NE(again.warnings[0].find("black and white only"), std::string::npos);
  const Annotation flat = run(Image(8, 8, 3), {});
  ASSERT_EQ(flat.warnings.size(), 1u);
  EXPECT_NE(flat.warnings[0].find("no edges"), std::string::npos);
}

TEST(Canny, EqualsRecordedOpenCvOutput) {
  const std::string folder = std::string(DEDIT_TEST_DATA) + "/canny/";
  const Image input = load_image(folder + "input.png");
  const std::pair<std::string, Thresholds> cases[] = {{"100_200_l1", {100, 200, false}},
                                                      {"50_150_l2", {50, 150, true}},
                                                      {"0_0_l1", {0, 0, false}},
                                                      {"300.5_80.25_l1", {300.5, 80.25, false}},
                                                      {"600_1020_l2", {600, 1020, true}}};
  for (const auto& [name, thresholds] : cases) {
    const Image expected = load_image(folder + name + ".png");
    EXPECT_TRUE(run(input, thresholds).map.data == to_rgb8(expected).data) << name;
  }
}

}  // namespace
}  // namespace dedit

// Control maps at other sizes, against what the web UI's extension makes of them
// (tools/record_map_golden.py).
#include "io/map_resize.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/image_ops.h"

namespace dedit {
namespace {

using nlohmann::json;

bool is_white(const std::string& kind, int x, int y, int w, int h) {
  if (kind == "lines") return (x + 2 * y) % 23 == 0 || x == w / 3 || y == h / 2;
  if (kind == "circle") {
    const int dx = 2 * x - w + 1, dy = 2 * y - h + 1, r = dx * dx + dy * dy;
    return r >= (w - 13) * (w - 13) && r < (w - 10) * (w - 10);
  }
  if (kind == "diagonal") return x == y || x + 2 * y == w + 7;
  if (kind == "blocks") return (x / 12 + y / 16) % 2 == 0;
  return (x / 5 + y / 7) % 2 == 0;  // dark
}

/// The maps of tools/record_map_golden.py.
Image make(const std::string& kind, int w, int h) {
  Image map(w, h, 3);
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      int grey = 0;
      uint8_t* p = map.row<uint8_t>(y) + 3 * x;
      if (kind == "classes") {
        grey = (x / 9 + 3 * (y / 7)) * 23 % 256;
        p[0] = uint8_t(grey), p[1] = uint8_t(255 - grey), p[2] = uint8_t(grey / 2);
      } else if (kind == "soft") {
        grey = (x * 5 + y * 3 + x * y / 7) % 256;
        p[0] = uint8_t(grey), p[1] = uint8_t((grey + y) % 256), p[2] = uint8_t(grey / 2);
      } else {
        std::fill_n(p, 3, uint8_t(is_white(kind, x, y, w, h) ? kind == "dark" ? 128 : 255 : 0));
      }
    }
  }
  return map;
}

std::vector<int> run_lengths(const json& runs) {
  std::vector<int> values;
  for (size_t i = 0; i < runs.size(); i += 2) {
    values.insert(values.end(), runs[i + 1].get<size_t>(), runs[i].get<int>());
  }
  return values;
}

TEST(ResizeMap, IsTheWebUisOnItsDocumentedCases) {
  std::ifstream file(DEDIT_TEST_DATA "/maps/resize.json");
  for (const json& c : json::parse(file)["cases"]) {
    const std::string kind = c["kind"];
    const int w = c["to"][0], h = c["to"][1];
    const Image out = resize_map(make(kind, c["from"][0], c["from"][1]), w, h, Compat::kWebui);
    ASSERT_EQ(out.channels, 3);
    const std::string name = c.dump().substr(0, 60);
    const std::vector<int> grey = c.contains("grey") ? run_lengths(c["grey"]) : std::vector<int>();
    for (int y = 0; y < h; ++y) {
      std::array<int, 3> sums{};
      for (int i = 0; i < 3 * w; ++i) {
        const int value = out.row<uint8_t>(y)[i];
        sums[size_t(i % 3)] += value;
        if (!grey.empty()) {
          ASSERT_EQ(value, grey[size_t(y * w + i / 3)]) << name;
        }
      }
      for (size_t k = 0; k < 3 && grey.empty(); ++k) ASSERT_EQ(sums[k], c["rows"][size_t(y)][k]);
    }
  }
}

TEST(ResizeMap, EdgesStayOnePixelWideAndBlackAndWhite) {
  const Image map = make("circle", 96, 96);
  for (const int size : {61, 150, 288}) {
    const Image out = resize_map(map, size, size);
    int n_white = 0;
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const uint8_t v = out.row<uint8_t>(y)[3 * x];
        ASSERT_TRUE(v == 0 || v == 255);
        n_white += v == 255;
      }
    }
    // A circle of radius 0.44 sides has 2.5 (steps of eight directions) to 3.5 (of four) sides of
    // pixels; a line that grew with the picture would have 4.1 * size / 96.
    EXPECT_GT(n_white, 2.4 * size) << size;
    EXPECT_LT(n_white, 3.6 * size) << size;
  }
}

TEST(ResizeMap, OwnNearestPixelKeepsCentresOnCentres) {
  const Image classes = make("classes", 48, 32);
  const Image third = resize_map(classes, 16, 32);
  for (int x = 0; x < 16; ++x) {
    EXPECT_EQ(third.row<uint8_t>(5)[3 * x], classes.row<uint8_t>(5)[3 * (3 * x + 1)]);
  }
  const Image lines = resize_map(make("lines", 64, 48), 128, 96, Compat::kComfy);
  EXPECT_EQ(lines.row<uint8_t>(48)[3 * 7], 255);  // row 24, doubled: two pixels wide
  EXPECT_EQ(lines.row<uint8_t>(49)[3 * 7], 255);
}

TEST(ResizeMap, HolesOfTheInpaintingHintStayHoles) {
  Image hint(8, 8, 3, PixelType::kF32);
  for (int y = 0; y < 8; ++y) {
    for (int i = 0; i < 24; ++i) hint.row<float>(y)[i] = i < 12 ? -1.0f : 0.25f;
  }
  const Image out = resize_map(hint, 20, 12);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(out.row<float>(6)[i], i < 30 ? -1.0f : 0.25f);
}

TEST(ResizeMap, OtherMapsAreResizedAsPictures) {
  Image soft(16, 16, 3);
  std::mt19937 random(7);
  for (std::byte& b : soft.data) b = std::byte(random() & 0xff);
  EXPECT_TRUE(resize_map(soft, 8, 8).data == resize(soft, 8, 8).data);
  const Image dark = make("dark", 24, 24);  // two values, but not black and white
  EXPECT_TRUE(resize_map(dark, 36, 36).data == resize(dark, 36, 36).data);
}

}  // namespace
}  // namespace dedit

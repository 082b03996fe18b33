// Against Pillow's own pixels (tools/record_resize_golden.py), bit for bit.
#include "io/pillow_resize.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dedit/error.h"

namespace dedit {
namespace {

TEST(PillowResize, EveryByteIsPillows) {
  std::ifstream file(DEDIT_TEST_DATA "/io/pillow_resize.json");
  const nlohmann::json data = nlohmann::json::parse(file);
  ASSERT_EQ(data["cases"].size(), 6u);
  for (const auto& row : data["cases"]) {
    Image image(row["from"][0], row["from"][1], row["channels"]);
    const auto in = row["in"].get<std::vector<uint8_t>>();
    std::copy(in.begin(), in.end(), image.row<uint8_t>(0));
    const Image out = resize_lanczos(image, row["to"][0], row["to"][1]);
    ASSERT_EQ(out.height, row["to"][1].get<int>());
    const auto* first = out.row<uint8_t>(0);
    const std::vector<int> values(first, first + out.data.size());
    EXPECT_EQ(values, row["out"].get<std::vector<int>>()) << row["channels"] << row["from"];
  }
}

TEST(PillowResize, TheSameSizeChangesNothing) {
  Image image(2, 1, 4);
  const uint8_t bytes[] = {9, 8, 7, 0, 200, 100, 50, 3};
  std::copy(std::begin(bytes), std::end(bytes), image.row<uint8_t>(0));
  const Image out = resize_lanczos(image, 2, 1);
  EXPECT_EQ(out.data, image.data);
}

TEST(PillowResize, SixteenBitsAreRefused) {
  EXPECT_THROW(resize_lanczos(Image(4, 4, 3, PixelType::kU16), 2, 2), Error);
}

}  // namespace
}  // namespace dedit

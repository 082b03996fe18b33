// Every annotator against what the reference Python code makes of the same pictures
// (tools/record_annotator_golden.py).
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "annotators/annotator.h"
#include "core/rgb8.h"

namespace dedit {
namespace {

using nlohmann::json;

const std::string kFolder = std::string(DEDIT_TEST_DATA) + "/annotators/";

json all_cases() {
  std::ifstream file(kFolder + "cases.json");
  return json::parse(file).at("cases");
}

/// Largest difference to the part of `sheet` from row `top` on, and how many samples differ at all.
struct Difference {
  int most = 0;
  int64_t count = 0;
};

Difference compare(const Image& map, const Image& sheet, int top) {
  Difference result;
  for (int y = 0; y < map.height; ++y) {
    const uint8_t* a = map.row<uint8_t>(y);
    const uint8_t* b = sheet.row<uint8_t>(top + y);
    for (int i = 0; i < 3 * map.width; ++i) {
      result.most = std::max(result.most, std::abs(a[i] - b[i]));
      result.count += a[i] == b[i] ? 0 : 1;
    }
  }
  return result;
}

AnnotatorArgs args_of(const json& row) {
  AnnotatorArgs args;
  for (const auto& [name, value] : row.at("values").items()) args.values[name] = value;
  if (!row.contains("files")) return args;
  for (const auto& [name, file] : row["files"].items()) {
    args.files[name] = kFolder + file.get<std::string>();
  }
  return args;
}

std::vector<Image> inputs_of(const json& row) {
  std::vector<Image> inputs;
  if (row.contains("size")) return {Image(row["size"][0], row["size"][1], 1)};
  for (const auto& name : row.at("inputs")) {
    inputs.push_back(load_image(kFolder + name.get<std::string>()));
  }
  return inputs;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, MapsAreTheReferences) {
  const json row = all_cases().at(GetParam());
  const Annotator* annotator = find_annotator(row.at("kind").get<std::string>());
  ASSERT_NE(annotator, nullptr) << row["kind"];
  const Image sheet = to_rgb8(load_image(kFolder + GetParam() + ".png"));
  const int tolerance = row.at("tolerance");
  int top = 0;
  int n = 0;
  for (const Image& input : inputs_of(row)) {
    const Image map = annotate(*annotator, input, args_of(row)).map;
    ASSERT_EQ(map.width, input.width);
    ASSERT_EQ(map.height, input.height);
    const Difference difference = compare(map, sheet, top);
    EXPECT_LE(difference.most, tolerance)
        << "input " << n << ", " << difference.count << " samples differ";
    top += map.height;
    ++n;
  }
  EXPECT_EQ(top, sheet.height);
}

std::vector<std::string> names() {
  const json cases = all_cases();
  std::vector<std::string> names;
  for (const auto& [name, row] : cases.items()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Annotators, Golden, testing::ValuesIn(names()),
                         [](const auto& row) { return row.param; });

}  // namespace
}  // namespace dedit

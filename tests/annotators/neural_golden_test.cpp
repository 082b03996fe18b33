// Annotators with networks against what the reference Python code makes with the same tiny networks
// (tools/record_neural_golden.py).
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "annotators/annotator.h"
#include "core/rgb8.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using nlohmann::json;

const std::string kNetworks = std::string(DEDIT_TEST_DATA) + "/neural/";
const std::string kPictures = std::string(DEDIT_TEST_DATA) + "/annotators/";

json all_cases() {
  std::ifstream file(kNetworks + "cases.json");
  return json::parse(file).at("cases");
}

/// Samples that differ at all, and by more than one level.
struct Difference {
  int64_t any = 0, more = 0, all = 0;
};

void add_difference(const Image& map, const Image& sheet, int top, Difference& sum) {
  for (int y = 0; y < map.height; ++y) {
    const uint8_t* a = map.row<uint8_t>(y);
    const uint8_t* b = sheet.row<uint8_t>(top + y);
    for (int i = 0; i < 3 * map.width; ++i) {
      const int by = std::abs(a[i] - b[i]);
      sum.any += by > 0 ? 1 : 0;
      sum.more += by > 1 ? 1 : 0;
      ++sum.all;
    }
  }
}

/// The map, or an empty one where the engine lacks the operator of transformers.
Image map_of(const Annotator& annotator, const Image& picture, const AnnotatorArgs& args) {
  try {
    return annotate(annotator, picture, args).map;
  } catch (const Error& e) {
    const std::string what = e.what();
    if (what.find("cannot run its operator LayerNormalization") == std::string::npos) throw;
    EXPECT_NE(e.hint().find("ONNX Runtime"), std::string::npos);
    return {};
  }
}

class NeuralGolden : public testing::TestWithParam<std::string> {};

TEST_P(NeuralGolden, MapsAreTheReferences) {
  const json row = all_cases().at(GetParam());
  const Annotator* annotator = find_annotator(row.at("kind").get<std::string>());
  ASSERT_NE(annotator, nullptr);
  ASSERT_EQ(setenv("DEDIT_ANNOTATOR_MODELS", kNetworks.c_str(), 1), 0);
  AnnotatorArgs args;
  for (const auto& [name, value] : row.at("values").items()) args.values[name] = value;
  const Image sheet = to_rgb8(load_image(kNetworks + GetParam() + ".png"));
  Difference difference;
  int top = 0;
  for (const auto& name : row.at("inputs")) {
    const Image picture = load_image(kPictures + name.get<std::string>());
    const Image map = map_of(*annotator, picture, args);
    if (map.empty()) return;
    ASSERT_EQ(map.width, picture.width);
    ASSERT_EQ(map.height, picture.height);
    add_difference(map, sheet, top, difference);
    top += map.height;
  }
  EXPECT_EQ(top, sheet.height);
  RecordProperty("samples_that_differ", int(difference.any));
  // A ridge is a pixel as bright as the brightest of three: a rounding of the last bit moves some,
  // and each is a dot of nine pixels in the end.
  const bool has_ridges = GetParam().starts_with("scribble");
  EXPECT_LE(difference.more, has_ridges ? difference.all / 100 : 0)
      << difference.any << " of " << difference.all << " differ at all";
}

std::vector<std::string> names() {
  const json cases = all_cases();
  std::vector<std::string> names;
  for (const auto& [name, row] : cases.items()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Annotators, NeuralGolden, testing::ValuesIn(names()),
                         [](const auto& row) { return row.param; });

}  // namespace
}  // namespace dedit

#include <algorithm>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

/// A file of its own for each text.
class MaskJson : public testing::Test {
 protected:
  std::string file(const std::string& text) {
    const std::string path = testing::TempDir() + "mask_json_" + std::to_string(getpid()) + ".json";
    std::ofstream(path) << text;
    return path;
  }
  std::string mask_error(const std::string& text) {
    try {
      load_mask(file(text));
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInput);
      return e.what();
    }
    return "no error";
  }
};

TEST_F(MaskJson, RunLengthsComeBack) {
  Image mask(5, 4, 1);
  for (const auto& [x, y] : {std::pair{0, 0}, {1, 3}, {2, 0}, {2, 1}, {4, 3}}) {
    mask.row<uint8_t>(y)[x] = 255;
  }
  const std::string text = mask_to_json(mask);
  EXPECT_EQ(text, "{\"counts\":[0,1,6,3,9,1],\"size\":[4,5]}\n");
  EXPECT_EQ(load_mask(file(text)).data, mask.data);
  EXPECT_EQ(load_mask(file("{\"segmentation\": " + text + "}")).data, mask.data);
}

// What pycocotools 2.0.11 makes of a box with a hole and two pixels.
TEST_F(MaskJson, PackedRunLengthsAreCocos) {
  const Image mask = load_mask(
      file(R"({"size": [60, 90], "counts": "01Z70PKW1ZN000000000000000000000000000000000000000)"
           R"(00000000000000000000000000000ROF::FF::FF::FF::FF::FF::FF::FF::FF::FF::FF::FF::FF)"
           R"(::FF::FF::FF::FF::FF::FF::FF::d000000000000000000000000000000000000000^b0"})"));
  Image expected = box_mask(90, 60, 5, 10, 75, 40, 0);
  for (int y = 20; y < 30; ++y) std::fill_n(expected.row<uint8_t>(y) + 40, 20, uint8_t{0});
  expected.row<uint8_t>(55)[3] = 255;
  expected.row<uint8_t>(0)[0] = 255;
  EXPECT_TRUE(mask.data == expected.data);
}

TEST_F(MaskJson, WrongRunLengthsAreRefused) {
  EXPECT_NE(mask_error(R"({"size": [4, 5], "counts": [3, 40]})").find("do not fit"),
            std::string::npos);
  EXPECT_NE(mask_error(R"({"size": [4, 5], "counts": [3]})").find("do not fill"),
            std::string::npos);
  EXPECT_NE(mask_error(R"({"size": [4, 5], "counts": [-3, 23]})").find("do not fit"),
            std::string::npos);
  EXPECT_NE(mask_error(R"({"size": [4, 5], "counts": [1.5]})").find("whole numbers"),
            std::string::npos);
  EXPECT_NE(mask_error(R"({"size": [4, 99999], "counts": [1]})").find("1..16384"),
            std::string::npos);
  EXPECT_NE(mask_error(R"({"size": [4, 5]})").find("counts"), std::string::npos);
  EXPECT_NE(mask_error(R"({"size": [4, 5], "counts": "\u0001"})").find("out of range"),
            std::string::npos);
  EXPECT_NE(mask_error(R"({"size": [4, 5], "counts": "PPPPPPPPPPPP"})").find("middle"),
            std::string::npos);
  EXPECT_NE(mask_error("{\"size\": [NaN, 5]}").find("is not JSON"), std::string::npos);
}

TEST_F(MaskJson, PolygonsComeInThreeForms) {
  for (const char* text :
       {"[[1, 2], [3, 4], [5, 6.5]]", "[[1, 2, 3, 4, 5, 6.5]]", "[1, 2, 3, 4, 5, 6.5]",
        "{\"points\": [[1, 2], [3, 4], [5, 6.5]]}", "{\"segmentation\": [[1, 2, 3, 4, 5, 6.5]]}",
        "[[[1, 2], [3, 4], [5, 6.5]]]"}) {
    const auto polygons = load_polygons(file(text));
    ASSERT_EQ(polygons.size(), 1u) << text;
    ASSERT_EQ(polygons[0].size(), 3u) << text;
    EXPECT_EQ(polygons[0][2].y, 6.5) << text;
  }
}

TEST_F(MaskJson, PolygonsThatAreNoneAreRefused) {
  for (const char* text :
       {"[]", "3", "{}", "[[1, 2], [3, 4]]", "[[1, 2], [3, \"4\"], [5, 6]]", "[[1, 2, 3]]",
        "[[1, 2], [3, 4], [5]]", "[[1, 2], [3, 4], [1e7, 6]]", "[[1, 2], [3, null], [1, 6]]"}) {
    EXPECT_THROW(load_polygons(file(text)), Error) << text;
  }
}

TEST_F(MaskJson, StrokesHaveDefaults) {
  const auto strokes = load_strokes(file(
      R"({"strokes": [{"points": [[1, 2]]}, {"points": [[3, 4]], "radius": 2.5, "erase": true}]})"));
  ASSERT_EQ(strokes.size(), 2u);
  EXPECT_EQ(strokes[0].radius, 8);
  EXPECT_FALSE(strokes[0].erases);
  EXPECT_EQ(strokes[1].radius, 2.5);
  EXPECT_TRUE(strokes[1].erases);
  for (const char* text :
       {"[]", "[3]", "[{}]", R"([{"points": [[1, 2]], "radius": -1}])",
        R"([{"points": [[1, 2]], "radius": 1e5}])", R"([{"points": [[1, 2]], "erase": 1}])"}) {
    EXPECT_THROW(load_strokes(file(text)), Error) << text;
  }
}

}  // namespace
}  // namespace dedit

// `dedit compare`: figures for people and as JSON, bounds, difference pictures.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using nlohmann::json;

TEST(Compare, APictureIsItself) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome shown = at.run({"compare", "a.png", "a.png", "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const json figures = json::parse(shown.out);
  EXPECT_TRUE(figures["all"]["psnr"].is_null());
  EXPECT_EQ(figures["all"]["ssim"], 1.0);
  EXPECT_EQ(figures["edges"]["f1"], 1.0);
  EXPECT_EQ(figures["changed_pixels"], 0);
}

TEST(Compare, BoundsEndWithSeven) {
  const Workplace at;
  at.make_picture("a.png", "64x64", "16,16,32,32");
  at.make_picture("b.png", "64x64", "2,2,12,12");
  at.make_picture("m.png", "64x64", "16,16,32,32");
  const Outcome far = at.run({"compare", "a.png", "b.png", "--min-edge-f1", "0.5"});
  EXPECT_EQ(far.code, 7);
  EXPECT_NE(far.err.find("is below --min-edge-f1 0.5"), std::string::npos) << far.err;
  EXPECT_NE(far.out.find("edges "), std::string::npos);
  const Outcome spilt = at.run({"compare", "a.png", "b.png", "--mask", "m.png", "--same-outside"});
  EXPECT_EQ(spilt.code, 7);
  EXPECT_NE(spilt.err.find("144 pixels changed outside the mask"), std::string::npos) << spilt.err;
}

TEST(Compare, TheMapIsWhatWasAskedFor) {
  const Workplace at;
  at.make_picture("a.png");
  at.make_picture("other.png", "64x64", "1,1,5,5");
  ASSERT_EQ(at.run({"annotate", "canny", "a.png", "-q", "-o", "map.png"}).code, 0);
  const Outcome shown =
      at.run({"compare", "other.png", "a.png", "--map", "map.png", "--json", "-o", "d.png"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(json::parse(shown.out)["edges"]["f1"], 1.0);
  EXPECT_FALSE(at.read("d.png").empty());
}

TEST(Compare, DepthMapsGoInPairs) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome shown =
      at.run({"compare", "a.png", "a.png", "--depth-a", "a.png", "--depth-b", "a.png", "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(json::parse(shown.out)["depth_rank_correlation"], 1.0);
  expect_error(at.run({"compare", "a.png", "a.png", "--depth-a", "a.png"}), 2,
               {"--depth-a and --depth-b go together"});
}

TEST(Compare, WhatDoesNotFitIsUsage) {
  const Workplace at;
  at.make_picture("a.png");
  at.make_picture("b.png", "32x64", "1,1,5,5");
  expect_error(at.run({"compare", "a.png"}), 2, {"two pictures are needed"});
  expect_error(at.run({"compare", "a.png", "b.png"}), 2, {"32x64", "64x64"});
  expect_error(at.run({"compare", "a.png", "a.png", "--same-outside"}), 2, {"needs --mask"});
  expect_error(at.run({"compare", "a.png", "a.png", "-o", "-"}), 2, {"takes a file"});
  expect_error(at.run({"compare", "-", "-"}), 2, {"standard input"});
  expect_error(at.run({"compare", "a.png", "no.png"}), 3, {"no.png"});
}

}  // namespace
}  // namespace dedit::cli_tests

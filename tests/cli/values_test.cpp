// Option values: strict numbers, ranges, choices, repeats.
#include <gtest/gtest.h>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

void refuses(std::vector<std::string> words, const std::string& message) {
  words.insert(words.begin(), {"canny", "--image", "a.png", "-o", "o.png"});
  expect_error(Workplace().run(words), 2, {message, "see dedit canny --help"});
}

TEST(Values, OutsideTheirRangeAreRefused) {
  refuses({"--strength", "1.5"}, "--strength 1.5 is outside 0..1");
  refuses({"--strength", "-0.1"}, "--strength -0.1 is outside 0..1");
  refuses({"--steps", "0"}, "--steps 0 is outside 1..1000");
  refuses({"--width", "0"}, "--width 0 is outside 1..16384");
  refuses({"--height", "20000"}, "--height 20000 is outside 1..16384");
  refuses({"--low", "3000"}, "--low 3000 is outside");
  refuses({"--control-end", "1.01"}, "--control-end 1.01 is outside 0..1");
}

TEST(Values, ThatAreNotNumbersAreRefused) {
  for (const char* text : {"1.5x", "nan", "inf", "", " 1", "0x1", "1e999", "--seed"}) {
    refuses({"--guidance", text}, std::string("--guidance '") + text + "' is not a number");
  }
  for (const char* text : {"2.5", "99999999999999999999", "0x10", "1e2"}) {
    refuses({"--steps", text}, std::string("--steps '") + text + "' is not a whole number");
  }
  refuses({"--seed", "-1"}, "--seed '-1' is not a whole number from 0 to 2^64 - 1");
  refuses({"--seed", "18446744073709551616"}, "is not a whole number from 0 to 2^64 - 1");
}

TEST(Values, OfOneChoiceSuggestTheNearest) {
  const Workplace at;
  expect_error(at.run({"generate", "--scheduler", "eulr"}), 2,
               {"scheduler eulr is unknown", "did you mean euler"});
  expect_error(at.run({"generate", "--progress", "xml"}), 2,
               {"--progress 'xml' is none of none, bar, json", "see dedit generate --help"});
}

TEST(Values, MissingOrRepeatedAreRefused) {
  refuses({"--steps"}, "--steps needs a value");
  refuses({"--steps", "2", "--steps", "3"}, "--steps is given more than once");
}

TEST(Values, OfBoxesAndSizesHaveAForm) {
  const Workplace at;
  const auto box = [&](const char* size, const char* xywh) {
    return at.run({"mask", "box", "--size", size, "--xywh", xywh, "-o", "m.png"});
  };
  expect_error(box("64x", "0,0,8,8"), 2, {"--size '64x' does not have the form WxH"});
  expect_error(box("64x64x3", "0,0,8,8"), 2, {"does not have the form WxH"});
  expect_error(box("64x64", "0,0,8"), 2, {"--xywh '0,0,8' does not have the form X,Y,W,H"});
  expect_error(box("64x64", "0,0,8,8,"), 2, {"does not have the form X,Y,W,H"});
  expect_error(box("64x64", "60,0,8,8"), 2, {"60,0,8,8"});
  expect_error(box("0x64", "0,0,8,8"), 2, {});
  EXPECT_EQ(box("64x64", "0,0,8,8").code, 0);
}

TEST(Values, EmptyAndBracketedTextsStayAsTheyAre) {
  const Workplace at;
  const std::string empty = at.run({"tokens", "--json", ""}).out;
  EXPECT_EQ(at.run({"tokens", "--text=", "--json"}).out, empty);
  EXPECT_NE(at.run({"tokens", "--json", "[a, b]"}).out, at.run({"tokens", "--json", "a, b"}).out);
}

}  // namespace
}  // namespace dedit::cli_tests

// `dedit mask`: every kind through files and pipes, and what users give it by mistake.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using nlohmann::json;

/// Mask `name` from a box.
void make_box(const Workplace& at, const std::string& name, const std::string& xywh) {
  const Outcome made = at.run({"mask", "box", "--size", "64x48", "--xywh", xywh, "-o", name});
  ASSERT_EQ(made.code, 0) << made.err;
}

/// The mask's white pixels, through its run lengths.
int64_t count_white(const Workplace& at, const std::string& name) {
  const Outcome shown = at.run({"mask", "convert", name, "--as", "json", "-o", "-", "-q"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  int64_t white = 0;
  const json counts = json::parse(shown.out)["counts"];
  for (size_t i = 1; i < counts.size(); i += 2) white += counts[i].get<int64_t>();
  return white;
}

int64_t made(const Workplace& at, std::vector<std::string> words) {
  words.insert(words.begin(), "mask");
  words.insert(words.end(), {"-o", "made.png"});
  const Outcome outcome = at.run(words);
  EXPECT_EQ(outcome.code, 0) << words[1] << ": " << outcome.err;
  return count_white(at, "made.png");
}

TEST(Mask, ShapesAreMade) {
  const Workplace at;
  EXPECT_NEAR(double(made(at, {"ellipse", "--size", "64x48", "--xywh", "4,4,40,20"})), 628, 8);
  at.write("p.json", "[[10, 10], [20, 10], [20, 20], [10, 20]]");
  EXPECT_EQ(made(at, {"polygon", "--size", "64x48", "--points", "p.json"}), 121);
  at.write("s.json", R"([{"points": [[10, 10], [30, 10]], "radius": 2}])");
  EXPECT_EQ(made(at, {"brush", "--size", "64x48", "--strokes", "s.json"}),
            92);  // 20 x 4 and a disc
  EXPECT_EQ(at.run({"mask", "polygon", "--size", "9x9", "--points", "-", "-o", "o.png", "-q"},
                   {.input = "[[1, 1], [5, 1], [5, 5]]"})
                .code,
            0);
}

TEST(Mask, ChoicesAreMade) {
  const Workplace at;
  make_box(at, "a.png", "16,16,20,10");  // white on black serves as a picture too
  EXPECT_EQ(made(at, {"color", "a.png", "--color", "#ffffff"}), 200);
  EXPECT_EQ(made(at, {"color", "a.png", "--low", "0,0,50", "--high", "360,10,100"}), 200);
  EXPECT_EQ(made(at, {"luminance", "a.png", "--low", "128"}), 200);
  EXPECT_EQ(made(at, {"flood", "a.png", "--at", "20,20"}), 200);
  EXPECT_EQ(made(at, {"grabcut", "a.png", "--xywh", "10,10,30,24"}), 200);
  make_box(at, "b.png", "16,16,20,8");
  EXPECT_EQ(made(at, {"difference", "a.png", "b.png"}), 40);
  ASSERT_EQ(at.run({"mask", "convert", "a.png", "--as", "alpha", "-o", "alpha.png"}).code, 0);
  EXPECT_EQ(made(at, {"alpha", "alpha.png"}), 200);
}

TEST(Mask, ChangesAreMade) {
  const Workplace at;
  make_box(at, "a.png", "10,10,20,20");
  make_box(at, "b.png", "20,20,20,20");
  EXPECT_EQ(made(at, {"union", "a.png", "b.png"}), 700);
  EXPECT_EQ(made(at, {"intersect", "a.png", "b.png"}), 100);
  EXPECT_EQ(made(at, {"subtract", "a.png", "b.png"}), 300);
  EXPECT_EQ(made(at, {"invert", "a.png"}), 64 * 48 - 400);
  EXPECT_EQ(made(at, {"grow", "a.png", "--radius", "2", "--brush", "box"}), 576);
  EXPECT_EQ(made(at, {"shrink", "a.png", "--radius", "2"}), 256);
  EXPECT_EQ(made(at, {"feather", "a.png", "--radius", "3", "--side", "out"}),
            564);  // two rings and their corners
  EXPECT_EQ(made(at, {"fill", "a.png"}), 400);
  EXPECT_EQ(made(at, {"largest", "a.png"}), 400);
  EXPECT_LT(made(at, {"smooth", "a.png", "--radius", "6"}), 400);
  EXPECT_EQ(made(at, {"threshold", "a.png", "--at", "255"}), 400);
}

TEST(Mask, PipesChain) {
  const Workplace at;
  const Outcome box =
      at.run({"mask", "box", "--size", "64x48", "--xywh", "10,10,20,20", "-o", "-"});
  const Outcome grown =
      at.run({"mask", "grow", "-", "--radius", "1", "--as", "json", "-o", "-"}, {.input = box.out});
  const Outcome back = at.run({"mask", "invert", "-", "-o", "m.png"}, {.input = grown.out});
  EXPECT_EQ(back.code, 0) << back.err;
  EXPECT_EQ(count_white(at, "m.png"), 64 * 48 - 480);
}

TEST(Mask, TheOverlayIsAPicture) {
  const Workplace at;
  make_box(at, "a.png", "10,10,20,20");
  const Outcome shown =
      at.run({"mask", "overlay", "a.png", "--mask", "a.png", "--color", "0,0,255", "-o", "o.png"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  expect_error(at.run({"mask", "overlay", "a.png", "-o", "o.png"}), 2, {"exactly one MASK"});
  expect_error(
      at.run({"mask", "overlay", "a.png", "--mask", "a.png", "--color", "#12345g", "-o", "o.png"}),
      2, {"#rrggbb"});
}

TEST(Mask, AMaskInJsonServesAnEdit) {
  const Workplace at;
  make_box(at, "a.png", "10,10,20,20");
  ASSERT_EQ(at.run({"mask", "convert", "a.png", "-o", "m.json"}).code, 0);
  const Outcome edited = at.run({"inpaint", "--image", "a.png", "--mask", "m.json", "--steps", "1",
                                 "--threads", "2", "-q", "-o", "o.png"});
  EXPECT_EQ(edited.code, 0) << edited.err;
}

TEST(Mask, EmptyAndFullMasksAreWarnedOf) {
  const Workplace at;
  make_box(at, "a.png", "10,10,20,20");
  const Outcome none = at.run({"mask", "subtract", "a.png", "a.png", "-o", "m.png"});
  EXPECT_EQ(none.code, 0);
  EXPECT_NE(none.err.find("nothing would be repainted"), std::string::npos) << none.err;
  const Outcome all = at.run({"mask", "box", "--size", "4x4", "--xywh", "0,0,4,4", "-o", "m.png"});
  EXPECT_NE(all.err.find("everything would be repainted"), std::string::npos) << all.err;
}

TEST(Mask, WhatCannotBeIsRefused) {
  const Workplace at;
  make_box(at, "a.png", "10,10,20,20");
  at.write("far.json", "[[100, 100], [120, 100], [120, 120]]");
  at.write("nan.json", "[[NaN, 100], [120, 100], [120, 120]]");
  at.write("two.json", "[[1, 1], [2, 2]]");
  const auto refuses = [&](std::vector<std::string> words, int code, const std::string& message) {
    words.insert(words.begin(), "mask");
    words.insert(words.end(), {"-o", "o.png"});
    expect_error(at.run(words), code, {message});
  };
  refuses({"polygon", "a.png", "--points", "far.json"}, 2, "no pixel inside the 64x48 picture");
  refuses({"polygon", "a.png", "--points", "nan.json"}, 3, "nan.json: is not JSON, line 1");
  refuses({"polygon", "a.png", "--points", "two.json"}, 3, "fewer than 3 points");
  refuses({"polygon", "a.png"}, 2, "--points FILE is missing");
  refuses({"ellipse", "--size", "9x9", "--xywh", "1,1,nan,2"}, 2, "'nan' is not a number");
  refuses({"ellipse", "--size", "9x9", "--xywh", "1,1,2"}, 2, "X,Y,W,H");
  refuses({"box", "--size", "20000x20", "--xywh", "0,0,1,1"}, 2, "20000x20");
  refuses({"color", "a.png"}, 2, "either --color or --low and --high");
  refuses({"color", "a.png", "--low", "0,50,0", "--high", "9,10,9"}, 2, "above --high 10");
  refuses({"luminance", "a.png", "--low", "200", "--high", "100"}, 2, "above --high 100");
  refuses({"alpha", "a.png"}, 2, "has no alpha");
  refuses({"flood", "a.png", "--at", "64,0"}, 2, "outside the 64x48 picture");
  refuses({"grabcut", "a.png", "--xywh", "0,0,64,48"}, 2, "covers the whole picture");
  refuses({"grabcut", "a.png", "--xywh", "60,0,9,9"}, 2, "leaves the 64x48 picture");
  refuses({"faces", "a.png", "--cascade", "no.xml"}, 3, "no.xml");
  refuses({"faces", "a.png", "--cascade", "nan.json"}, 3, "is not an OpenCV cascade");
  refuses({"union", "a.png"}, 2, "two or more MASKs");
  refuses({"difference", "a.png"}, 2, "two IMAGEs");
  refuses({"union", "-", "-"}, 2, "standard input (-) is given for more than one input");
  refuses({"invert", "far.json"}, 3, "not a picture");
  refuses({"grow", "a.png", "--radius", "-1"}, 2, "outside 0..1024");
  refuses({"cut", "a.png"}, 2, "unknown command 'cut'");
  at.make_picture("small.png", "8x8", "1,1,2,2");
  refuses({"union", "a.png", "small.png"}, 2, "do not combine");
  refuses({"overlay", "a.png", "--mask", "small.png"}, 2, "the mask is 8x8");
}

}  // namespace
}  // namespace dedit::cli_tests

// `dedit annotate KIND` and `dedit KIND` for every annotator, and what users give them by mistake.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using nlohmann::json;

const std::vector<std::string> kPictureKinds = {"binary",
                                                "blur",
                                                "canny",
                                                "color-grid",
                                                "invert",
                                                "lineart-standard",
                                                "none",
                                                "normal",
                                                "pyracanny",
                                                "recolor-intensity",
                                                "recolor-luminance",
                                                "scribble",
                                                "scribble-drawing",
                                                "segmentation",
                                                "shuffle",
                                                "softedge",
                                                "threshold",
                                                "tile"};

const char* const kPose =
    R"({"people":[{"pose_keypoints_2d":[32,10,1,32,20,1,20,22,1,15,30,1,12,40,1,44,22,1,50,30,1,
52,40,1,26,44,1,25,55,1,24,62,1,38,44,1,39,55,1,40,62,1,30,8,1,34,8,1,27,9,1,37,9,1]}],
"canvas_width":64,"canvas_height":64})";

/// A grey PGM of one value a pixel.
std::string pgm(int width, int height, char value) {
  return "P5\n" + std::to_string(width) + " " + std::to_string(height) + "\n255\n" +
         std::string(size_t(width) * size_t(height), value);
}

Outcome edit(const Workplace& at, std::vector<std::string> words) {
  words.insert(words.end(), {"--steps", "1", "--threads", "2", "-q", "-o", "o.png"});
  return at.run(words);
}

TEST(Maps, EveryKindMapsOnePixelAndAStrip) {
  const Workplace at;
  at.write("one.pgm", pgm(1, 1, 'x'));
  at.write("strip.pgm", pgm(301, 2, 'x'));
  for (const std::string& kind : kPictureKinds) {
    for (const char* picture : {"one.pgm", "strip.pgm"}) {
      const Outcome made = at.run({"annotate", kind, picture, "-q", "-o", "m.png"});
      EXPECT_EQ(made.code, 0) << kind << ": " << made.err;
    }
  }
}

TEST(Maps, ASideOverTheLimitIsRefusedInOneSentence) {
  const Workplace at;
  at.write("long.pgm", pgm(20000, 20, 'x'));
  for (const std::string& kind : kPictureKinds) {
    const Outcome made = at.run({"annotate", kind, "long.pgm", "-o", "m.png"});
    EXPECT_TRUE(made.code == 2 || made.code == 3) << kind << made.code;
    expect_error(made, made.code, {"20000x20", "16384"});
  }
}

TEST(Maps, OtherNamesAndNearMissesAreUnderstood) {
  const Workplace at;
  at.make_picture("a.png");
  for (const char* name : {"scribble_xdog", "lineart_standard", "t2ia_color_grid"}) {
    EXPECT_EQ(at.run({"annotate", name, "a.png", "-q", "-o", "m.png"}).code, 0) << name;
  }
  expect_error(at.run({"annotate", "scrible", "a.png", "-o", "m.png"}), 2,
               {"'scrible'", "did you mean scribble"});
  expect_error(at.run({"annotate", "sam", "a.png", "-o", "m.png"}), 2, {"unknown command 'sam'"});
}

TEST(Maps, TheEditMakesTheMapOfAnnotate) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome made = edit(at, {"blur", "--image", "a.png", "--sigma", "3", "--control-model",
                                 "canny", "--save-map", "m.png"});
  ASSERT_EQ(made.code, 0) << made.err;
  ASSERT_EQ(at.run({"annotate", "blur", "a.png", "--sigma", "3", "-q", "-o", "same.png"}).code, 0);
  EXPECT_EQ(at.read("m.png"), at.read("same.png"));
}

TEST(Maps, WithoutAControlNetForTheKindTheModelErrorNamesItsPlace) {
  const Workplace at;
  at.make_picture("a.png");
  expect_error(edit(at, {"scribble-drawing", "--image", "a.png"}), 4,
               {"has no control model for scribble-drawing", "controlnet-scribble"});
}

TEST(Maps, SeedsOfMapAndNoiseAreApart) {
  const Workplace at;
  at.make_picture("a.png");
  const auto map = [&](const char* seed) {
    EXPECT_EQ(at.run({"annotate", "shuffle", "a.png", "--seed", seed, "-q", "-o", "m.png"}).code,
              0);
    return at.read("m.png");
  };
  EXPECT_EQ(map("1"), map("1"));
  EXPECT_NE(map("1"), map("2"));
  const std::string two = map("2");
  const Outcome made = edit(at, {"shuffle", "--image", "a.png", "--map-seed", "2", "--seed", "9",
                                 "--control-model", "canny", "--save-map", "s.png"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(at.read("s.png"), two);
}

TEST(Maps, CompatReachesTheMap) {
  const Workplace at;
  at.make_picture("box.png", "64x64", "10,10,5,40");
  ASSERT_EQ(at.run({"mask", "invert", "box.png", "-q", "-o", "a.png"}).code, 0);
  const auto map = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"scribble", "--image", "a.png", "--control-model", "canny",
                                 "--save-map", "m.png"});
    const Outcome made = edit(at, words);
    EXPECT_EQ(made.code, 0) << made.err;
    return at.read("m.png");
  };
  const std::string plain = map({});
  const std::string webui = map({"--compat", "webui"});
  EXPECT_NE(webui, plain);
  EXPECT_EQ(map({"--compat", "webui", "--map-compat", "dedit"}), plain);
  ASSERT_EQ(
      at.run({"annotate", "scribble", "a.png", "--compat", "webui", "-q", "-o", "w.png"}).code, 0);
  EXPECT_EQ(at.read("w.png"), webui);
}

TEST(Maps, AnAutomaticThresholdSaysWhatItChose) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome made =
      at.run({"annotate", "canny", "a.png", "--edge-density", "0.02", "-o", "m.png"});
  EXPECT_EQ(made.code, 0);
  EXPECT_NE(made.err.find("canny: thresholds "), std::string::npos) << made.err;
  EXPECT_NE(made.err.find("% edge pixels"), std::string::npos) << made.err;
}

TEST(Maps, PosesNeedNoPicture) {
  const Workplace at;
  at.write("p.json", kPose);
  ASSERT_EQ(at.run({"annotate", "pose", "--pose", "p.json", "-q", "-o", "a.png"}).code, 0);
  ASSERT_EQ(at.run({"annotate", "pose", "--pose", "-", "-q", "-o", "b.png"}, {.input = kPose}).code,
            0);
  EXPECT_EQ(at.read("a.png"), at.read("b.png"));
  const Outcome made = edit(at, {"pose", "--pose", "p.json", "--control-model", "canny"});
  EXPECT_EQ(made.code, 0) << made.err;
  expect_error(edit(at, {"pose", "--pose", "p.json", "--strength", "0.5"}), 2,
               {"--image FILE is missing"});
  expect_error(at.run({"annotate", "pose", "-o", "m.png"}), 2, {"there are no keypoints"});
}

TEST(Maps, PosesThatAreNotPosesAreInputErrors) {
  const Workplace at;
  const std::pair<std::string, std::string> cases[] = {
      {R"({"people": [{"pose_keypoints_2d": [NaN, 1, 1]}]})", "is not JSON, line 1"},
      {"", "is not JSON"},
      {"[1, 2]", "has no list \"people\""},
      {R"({"people": 3})", "has no list \"people\""},
      {R"({"people": [3], "canvas_width": 9, "canvas_height": 9})", "person 1 is not an object"},
      {R"({"people": [{"pose_keypoints_2d": [1, 2]}], "canvas_width": 9, "canvas_height": 9})",
       "is not a list of x, y, confidence"},
      {R"({"people": [{"pose_keypoints_2d": [1, 2, 1]}], "canvas_width": 9, "canvas_height": 9})",
       "a body has 1 keypoints"},
      {R"({"people": [{"pose_keypoints_2d": ["1", 2, 1]}], "canvas_width": 9, "canvas_height": 9})",
       "is not a number"},
      {R"({"people": [{"face_keypoints_2d": [1e9, 2, 1]}], "canvas_width": 9, "canvas_height": 9})",
       "is not a number within"},
      {R"({"people": [{"face_keypoints_2d": [1e5, 2, 1]}], "canvas_width": 9, "canvas_height": 9})",
       "far outside the 9x9 canvas"},
      {R"({"people": [], "canvas_width": 1e5, "canvas_height": 9})", "outside 1..16384"},
  };
  for (const auto& [text, message] : cases) {
    at.write("p.json", text);
    expect_error(at.run({"annotate", "pose", "--pose", "p.json", "-o", "m.png"}), 3,
                 {"p.json", message});
  }
  expect_error(at.run({"annotate", "pose", "--pose", "no.json", "-o", "m.png"}), 3, {"no.json"});
}

TEST(Maps, TheInpaintHintTakesTheMaskOfTheEdit) {
  const Workplace at;
  at.make_picture("a.png");
  at.make_picture("m.png", "64x64", "8,8,16,16");
  const Outcome made =
      edit(at, {"inpaint-hint", "--image", "a.png", "--mask", "m.png", "--control-model", "canny"});
  EXPECT_EQ(made.code, 0) << made.err;
  expect_error(edit(at, {"inpaint-hint", "--image", "a.png"}), 2, {"there is no mask"});
  expect_error(at.run({"annotate", "inpaint-hint", "-", "--mask", "-", "-o", "o.png"}), 2,
               {"standard input (-) is given for more than one input"});
}

TEST(Maps, TheBestOfSeveralIsKept) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome made = at.run({"canny", "--image", "a.png", "--strength", "0.2", "--best-of", "2",
                               "--steps", "5", "--threads", "2", "-o", "o.png"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.err.find("px, seed 0"), std::string::npos) << made.err;
  EXPECT_NE(made.err.find("px, seed 1"), std::string::npos) << made.err;
  EXPECT_EQ(at.names(), (std::vector<std::string>{"a.png", "o.png"}));
  expect_error(edit(at, {"canny", "--image", "a.png", "--best-of", "2", "--batch", "2"}), 2,
               {"--best-of"});
  expect_error(edit(at, {"blur", "--image", "a.png", "--best-of", "2"}), 2,
               {"needs a map of lines"});
}

TEST(Maps, ABoundOnTheEdgesEndsWithSeven) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome made = edit(at, {"canny", "--image", "a.png", "--min-edge-f1", "1"});
  EXPECT_EQ(made.code, 7);
  EXPECT_NE(made.err.find("is below --min-edge-f1 1"), std::string::npos) << made.err;
  EXPECT_FALSE(at.read("o.png").empty());
}

TEST(Maps, StrictMakesWarningsErrors) {
  const Workplace at;
  at.make_picture("a.png");
  ASSERT_EQ(at.run({"annotate", "canny", "a.png", "-q", "-o", "map.png"}).code, 0);
  ASSERT_EQ(at.run({"annotate", "invert", "map.png", "-q", "-o", "dark.png"}).code, 0);
  ASSERT_EQ(at.run({"mask", "invert", "a.png", "-o", "wrong.png"}).code, 0);
  expect_error(
      edit(at, {"generate", "--control-model", "canny", "--control-image", "dark.png", "--strict"}),
      2, {"dark.png looks like dark lines on white", "drop --strict"});
  expect_error(edit(at, {"canny", "--image", "map.png", "--strict"}), 2, {"black and white only"});
  expect_error(edit(at, {"inpaint", "--image", "a.png", "--mask", "wrong.png", "--strict"}), 2,
               {"white all around", "dedit mask invert"});
}

TEST(Maps, LabelsOutsideThePaletteAreCounted) {
  const Workplace at;
  at.write("l.pgm", pgm(4, 4, '\xff'));
  const Outcome made = at.run({"annotate", "segmentation", "l.pgm", "-o", "m.png"});
  EXPECT_EQ(made.code, 0);
  EXPECT_NE(made.err.find("16 pixels have a label outside 0..149"), std::string::npos) << made.err;
  at.write("c.json", "[[1, 2, 300]]");
  expect_error(at.run({"annotate", "segmentation", "l.pgm", "--palette", "c.json", "-o", "m.png"}),
               3, {"colour 1 is not three whole numbers"});
}

const std::string kNetworks = std::string(DEDIT_TEST_DATA) + "/neural/";

TEST(Maps, NetworksMakeMapsAndEdits) {
  const Workplace at;
  at.make_picture("a.png");
  for (const std::string kind : {"hed", "pidinet", "teed", "lineart", "mlsd", "midas"}) {
    const std::string network = kNetworks + kind + ".onnx";
    const Outcome map =
        at.run({"annotate", kind, "a.png", "--annotator-model", network, "-q", "-o", "m.png"});
    ASSERT_EQ(map.code, 0) << map.err;
  }
  const std::string network = kNetworks + "midas.onnx";
  const Outcome made = edit(at, {"midas", "--image", "a.png", "--annotator-model", network,
                                 "--control-model", "canny", "--save-map", "same.png"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(at.read("m.png"), at.read("same.png"));
  const Outcome recipe = at.run({"inspect", "o.png", "--json"});
  ASSERT_EQ(recipe.code, 0) << recipe.err;
  for (const char* words : {"annotator-model_sha256", R"("annotator": "midas")",
                            R"("annotator-model": "midas.onnx")"}) {
    EXPECT_NE(recipe.out.find(words), std::string::npos) << words << " not in " << recipe.out;
  }
}

TEST(Maps, NetworksThatAreNoneOrOfAnotherKindAreModelErrors) {
  const Workplace at;
  at.make_picture("a.png");
  at.write("half.onnx", "\x08\x07");
  const auto made = [&](const std::string& kind, const std::string& network) {
    return at.run({"annotate", kind, "a.png", "--annotator-model", network, "-o", "m.png"});
  };
  expect_error(at.run({"annotate", "hed", "a.png", "-o", "m.png"}), 2,
               {"hed: there is no network", "--annotator-model", "DEDIT_ANNOTATOR_MODELS"});
  expect_error(made("hed", "none.onnx"), 3, {"none.onnx: no such file"});
  expect_error(made("hed", "a.png"), 4, {"a.png: is not an ONNX file"});
  expect_error(made("hed", "half.onnx"), 4, {"half.onnx: the ONNX file is truncated"});
  expect_error(made("hed", kNetworks + "mlsd.onnx"), 4, {"takes an input of shape [1, 4"});
  expect_error(made("mlsd", kNetworks + "midas.onnx"), 4, {"takes an input of shape [1, 3"});
  expect_error(made("teed", kNetworks + "hed.onnx"), 4, {"has 5 outputs, not 1 or 4"});
  EXPECT_EQ(at.names(), (std::vector<std::string>{"a.png", "half.onnx"}));
}

}  // namespace
}  // namespace dedit::cli_tests

// --control and the geometry options, with the model that ships.
#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

Outcome edit(const Workplace& at, Words words) {
  words.insert(words.end(), {"--steps", "2", "--scheduler", "ddim", "--threads", "2"});
  if (std::find(words.begin(), words.end(), "-o") == words.end()) {
    words.insert(words.end(), {"-o", "o.png"});
  }
  return at.run(words);
}

json recipe(const Workplace& at, const std::string& name) {
  const Outcome seen = at.run({"inspect", name, "--json"});
  EXPECT_EQ(seen.code, 0) << seen.err;
  const json all = json::parse(seen.out);
  return all.contains("recipe") ? all["recipe"] : all;
}

TEST(Control, BadTextsAreOneSentenceWithTheNearestName) {
  const Workplace at;
  const std::pair<const char*, Words> cases[] = {
      {"scale", {"--control 'scale' does not have the form NAME=VALUE"}},
      {"", {"--control '' does not have the form NAME=VALUE"}},
      {"kind=canny,", {"--control '' does not have the form NAME=VALUE"}},
      {"kind=", {"--control 'kind=' does not have the form NAME=VALUE"}},
      {"kind=canny,scal=2", {"--control has no field 'scal'", "did you mean scale"}},
      {"kind=canny,hig=2", {"--control has no field 'hig'", "did you mean high"}},
      {"kind=canny,scale=1,scale=2", {"--control has the field 'scale' more than once"}},
      {"kind=canny,scale=x", {"--control scale 'x'"}},
      {"kind=canny,scale=nan", {"--control scale 'nan'"}},
      {"kind=canny,scale=101", {"--control scale 101"}},
      {"kind=canny,start=0.6,end=0.5", {"--control start 0.6 is not before its end 0.5"}},
      {"kind=canny,mode=prompts", {"--control mode 'prompts' is none of", "did you mean prompt"}},
      {"kind=canny,curve=1", {"--control curve '1' does not have the form PLACE:FACTOR"}},
      {"kind=canny,curve=0.5:1/0.2:0", {"has places that do not increase"}},
      {"kind=canny,curve=0:1/2:0", {"--control curve 2"}},
      {"kind=canny,layers=1/", {"--control layers ''"}},
      {"kind=canny,fit=crp", {"--control fit 'crp' is none of", "did you mean crop"}},
      {"kind=canny,low=5000", {"--control low 5000"}},
      {"kind=canny,map=a.png,image=b.png", {"a finished map and an image"}},
      {"kind=canny,map=a.png,low=3", {"a finished map and parameters of canny"}},
      {"image=a.png", {"no kind of map"}},
      {"scale=1", {"--control has no map"}},
      {"kind=canny", {"--control kind=canny has no picture"}},
      {"map=a.png", {"a.png"}},  // is not there
  };
  for (const auto& [text, message] : cases) {
    const int code = std::string(text) == "map=a.png" ? 3 : 2;
    expect_error(edit(at, {"generate", "--control", text}), code, message);
  }
  at.make_picture("a.png");
  expect_error(edit(at, {"generate", "--control", "map=a.png"}), 2, {"--control has no model"});
  expect_error(edit(at, {"generate", "--control", "kind=cany,map=a.png"}), 4,
               {"no control model is named 'cany'", "did you mean canny"});
  expect_error(edit(at, {"img2img", "--image", "a.png", "--control", "kind=cany"}), 2,
               {"no annotator is named 'cany'", "did you mean canny"});
  expect_error(edit(at, {"generate", "--control", "kind=canny,map=a.png,layers=1/2"}), 2,
               {"2 layer weights", "residuals"});
  EXPECT_EQ(at.names(), (Words{"a.png"}));
}

TEST(Control, IsTheSameAsThePairedOptions) {
  const Workplace at;
  at.make_picture("a.png");
  ASSERT_EQ(at.run({"annotate", "canny", "a.png", "-q", "-o", "m,1.png"}).code, 0);
  ASSERT_EQ(edit(at, {"generate", "--control-model", "canny", "--control-image", "m,1.png",
                      "--control-scale", "0.8", "--control-end", "0.6", "-o", "paired.ppm"})
                .code,
            0);
  const auto same = [&](Words words) {
    words.insert(words.end(), {"-o", "one.ppm"});
    const Outcome made = edit(at, words);
    EXPECT_EQ(made.code, 0) << made.err;
    EXPECT_EQ(at.read("one.ppm"), at.read("paired.ppm"));
  };
  same({"generate", "--control", "kind=canny,map=m\\,1.png,scale=0.8,end=0.6"});
  same({"generate", "--control", "model=canny,map=m\\,1.png,scale=0.8,end=0.6"});
  same({"generate", "--control", "kind=canny,image=a.png,scale=0.8,end=0.6"});
  same({"canny", "--image", "a.png", "--control", "scale=0.8,end=0.6"});
  same({"canny", "--image", "a.png", "--control", "kind=canny,scale=0.8,end=0.6"});
  same({"generate", "--control", "kind=canny,map=m\\,1.png,scale=1.6,end=0.6,curve=0:0.5"});
}

TEST(Control, MakesItsMapOfThePictureBesideAnother) {
  const Workplace at;
  at.make_picture("a.png");
  at.make_picture("m.png", "64x64", "0,0,32,64");
  const Outcome made =
      edit(at, {"canny", "--image", "a.png", "--control",
                "kind=scribble,model=canny,threshold=40,mask=m.png,mode=control,start=0.5", "-v"});
  ASSERT_EQ(made.code, 0) << made.err;
  const json controls = recipe(at, "o.png")["controls"];
  ASSERT_EQ(controls.size(), 2u);
  EXPECT_EQ(controls[0]["annotator"], "canny");
  EXPECT_EQ(controls[1]["mode"], "control");
  EXPECT_TRUE(controls[1].contains("mask_sha256"));
  for (const char* words : {"control 1: map 64x64", "control 1: acted in 2 of 2 network calls",
                            "control 2: acted in 1 of 2", "energy "}) {
    EXPECT_NE(made.err.find(words), std::string::npos) << words << " not in " << made.err;
  }
}

TEST(Control, ReadsStandardInputOnce) {
  const Workplace at;
  at.make_picture("a.png");
  expect_error(edit(at, {"generate", "--control", "kind=canny,map=-,mask=-"}), 2,
               {"standard input (-) is given for more than one input"});
}

TEST(Geometry, CropAndFitReachPictureMapAndRecipe) {
  const Workplace at;
  at.make_picture("a.png", "96x64", "30,10,30,30");
  const Outcome made =
      edit(at, {"canny", "--image", "a.png", "--crop", "16,0,64,64", "--width", "48", "--height",
                "32", "--fit", "crop", "--save-map", "m.png", "-v"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.err.find("picture 96x64, 64x64 of it at 16,0, scaled to 48x48 at 0,-8"),
            std::string::npos)
      << made.err;
  const json geometry = recipe(at, "o.png")["geometry"];
  EXPECT_EQ(geometry["crop"], json::parse("[16,0,64,64]"));
  EXPECT_EQ(geometry["result"], json::parse("[48,32]"));
  const Outcome map = at.run({"inspect", "m.png", "--json"});
  EXPECT_NE(map.out.find("48"), std::string::npos) << map.out;
}

TEST(Geometry, OtherAspectsAreRefusedUnlessFitted) {
  const Workplace at;
  at.make_picture("a.png", "96x64");
  expect_error(edit(at, {"canny", "--image", "a.png", "--width", "64", "--height", "64"}), 2,
               {"96x64 does not have the aspect of 64x64", "--fit"});
  for (const char* fit : {"stretch", "crop", "fill"}) {
    const Outcome made =
        edit(at, {"canny", "--image", "a.png", "--width", "64", "--height", "64", "--fit", fit});
    EXPECT_EQ(made.code, 0) << made.err;
  }
  EXPECT_EQ(edit(at, {"canny", "--image", "a.png", "--width", "64", "--height", "64", "--compat",
                      "webui"})
                .code,
            0);
  expect_error(edit(at, {"img2img", "--image", "a.png", "--crop", "90,0,10,10"}), 2,
               {"the crop 90,0,10,10 does not lie inside the picture of 96x64"});
  expect_error(edit(at, {"img2img", "--image", "a.png", "--crop", "1,2,3"}), 2, {"X,Y,W,H"});
}

TEST(Geometry, MapsOfAnotherAspectAreFittedWithAWarning) {
  const Workplace at;
  at.make_picture("a.png", "64x64");
  at.make_picture("wide.png", "96x64");
  for (const char* name : {"a", "wide"}) {
    const std::string file(name);
    ASSERT_EQ(at.run({"annotate", "canny", file + ".png", "-o", file + "-map.png"}).code, 0);
  }
  const std::pair<const char*, const char*> controls[] = {
      {"kind=canny,map=wide-map.png", "the map of control 1 is 96x64"},
      {"kind=canny,image=wide.png", "the picture wide.png is 96x64"},
      {"kind=canny,map=a-map.png,mask=wide.png", "the mask of control 1 is 96x64"},
  };
  for (const auto& [control, words] : controls) {
    const Words job = {"img2img", "--image", "a.png", "--control", control};
    const auto with = [&job](Words more) {
      more.insert(more.begin(), job.begin(), job.end());
      return more;
    };
    const Outcome made = edit(at, job);
    ASSERT_EQ(made.code, 0) << made.err;
    for (const std::string& part :
         {std::string(words), std::string("the result's 64x64, and is cut off evenly"),
          std::string("--fit stretch, crop or fill")}) {
      EXPECT_NE(made.err.find(part), std::string::npos) << part << " not in " << made.err;
    }
    expect_error(edit(at, with({"--strict"})), 2, {words, "drop --strict"});
    expect_error(edit(at, with({"--fit", "exact"})), 2,
                 {"96x64 does not have the aspect of 64x64"});
    const Outcome chosen = edit(at, with({"--fit", "crop"}));
    ASSERT_EQ(chosen.code, 0) << chosen.err;
    EXPECT_EQ(chosen.err.find("aspect"), std::string::npos) << chosen.err;
  }
}

TEST(Geometry, InpaintingACropKeepsItsPixels) {
  const Workplace at;
  at.make_picture("a.png", "96x64", "30,10,30,30");
  at.make_picture("m.png", "96x64", "40,20,16,16");
  const Outcome made =
      edit(at, {"inpaint", "--image", "a.png", "--mask", "m.png", "--crop", "32,8,48,40", "-v"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.err.find("1664 pixels kept bit for bit"), std::string::npos) << made.err;
}

}  // namespace
}  // namespace dedit::cli_tests

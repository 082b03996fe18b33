// Whole edits with the model that ships: what is accepted, what is written, what is kept.
#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using Words = std::vector<std::string>;

/// A small, quick edit: `words` and what every one needs. ddim makes one network call a step.
Outcome edit(const Workplace& at, Words words, const Streams& streams = {}) {
  words.insert(words.end(), {"--steps", "2", "--scheduler", "ddim", "--threads", "2"});
  return at.run(words, streams);
}

TEST(Job, MissingInputsAreUsage) {
  const Workplace at;
  expect_error(at.run({"img2img", "-o", "o.png"}), 2, {"--image FILE is missing"});
  expect_error(at.run({"canny", "-o", "o.png"}), 2, {"--image FILE is missing"});
  expect_error(at.run({"inpaint", "--image", "a.png", "-o", "o.png"}), 2,
               {"--mask FILE is missing"});
  expect_error(at.run({"generate"}), 2, {"-o FILE is missing"});
}

TEST(Job, ControlsArePairedInOrder) {
  const Workplace at;
  at.make_picture("a.png");
  const auto refuses = [&](Words words, const std::string& message) {
    words.insert(words.begin(), "generate");
    words.insert(words.end(), {"-o", "o.png"});
    expect_error(at.run(words), 2, {message});
  };
  refuses({"--control-image", "a.png"}, "control 1 has a --control-image but no --control-model");
  refuses({"--control-model", "canny"}, "control 1 has a --control-model but no --control-image");
  refuses({"--control-scale", "1"}, "--control-scale is given for 1 control, but there are 0");
  refuses({"--control-start", "0.5", "--control-end", "0.5"},
          "--control-start 0.5 is not before --control-end 0.5");
}

TEST(Job, MaskOfAnotherSizeIsUsage) {
  const Workplace at;
  at.make_picture("a.png", "64x64");
  at.make_picture("m.png", "64x48");
  for (const char* command : {"inpaint", "canny"}) {
    expect_error(at.run({command, "--image", "a.png", "--mask", "m.png", "-o", "o.png"}), 2,
                 {"m.png is 64x48", "the picture is 64x64"});
  }
  expect_error(
      at.run({"canny", "--image", "a.png", "--mask", "a.png", "--width", "32", "-o", "o.png"}), 2,
      {"--width and --height do not go with --mask"});
  EXPECT_EQ(at.names(), (Words{"a.png", "m.png"}));
}

TEST(Job, BatchNeedsNamesForItsPictures) {
  const Workplace at;
  expect_error(at.run({"generate", "--batch", "2", "-o", "-"}), 2, {"-o - holds one picture"});
  expect_error(
      at.run({"generate", "--batch", "2", "--seed", "18446744073709551615", "-o", "o.png"}), 2,
      {"leaves no room for --batch 2"});
  at.write("o-8.png", "mine");
  expect_error(at.run({"generate", "--batch", "2", "--seed", "7", "--no-clobber", "-o", "o.png"}),
               9, {"'o-8.png' exists"});
}

TEST(Job, TwoOutputsToOneFileAreUsage) {
  const Workplace at;
  at.make_picture("a.png");
  const auto refuses = [&](Words words, const std::string& message) {
    words.insert(words.end(), {"--image", "a.png", "-o", "o.png"});
    expect_error(at.run(words), 2, {message});
  };
  refuses({"canny", "--save-map", "./o.png"}, "--save-map and -o both name ./o.png");
  refuses({"canny", "--trace", "t", "--save-latents", "t"},
          "--trace and --save-latents both name t");
  refuses({"img2img", "--batch", "2", "--save-latents", "o-1.png"},
          "--save-latents and -o (picture 2) both name o-1.png");
  EXPECT_EQ(at.names(), Words{"a.png"});
}

TEST(Job, GenerateWritesOnePicturePerSeed) {
  const Workplace at;
  const Outcome made = edit(at, {"generate", "--width", "64", "--height", "64", "--seed", "7",
                                 "--batch", "2", "-o", "o.png"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out, "");
  EXPECT_EQ(at.names(), (Words{"o-7.png", "o-8.png"}));
  EXPECT_NE(made.err.find("wrote o-7.png: 64x64, 2 steps, seed 7, "), std::string::npos)
      << made.err;
  const Outcome alone =
      edit(at, {"generate", "--width", "64", "--height", "64", "--seed", "8", "-o", "s{seed}.png"});
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_NE(alone.err.find("wrote s8.png"), std::string::npos) << alone.err;
}

TEST(Job, DiffusersRulesRoundSizesAndRefuseStrengthsWithoutAStep) {
  const Workplace at;
  at.make_picture("a.png", "60x44", "8,8,30,20");
  const auto writes = [&](Words words, const std::string& what) {
    words.insert(words.end(), {"--image", "a.png", "--compat", "diffusers", "-o", "o.png"});
    const Outcome made = edit(at, words);
    ASSERT_EQ(made.code, 0) << made.err;
    EXPECT_NE(made.err.find("wrote o.png: " + what), std::string::npos) << made.err;
  };
  writes({"img2img"}, "56x40");
  writes({"canny", "--low", "50", "--width", "64"}, "64x40");
  writes({"inpaint", "--mask", "a.png", "--width", "64", "--height", "48"}, "64x48");
  const Words none = {"img2img", "--image",  "a.png",     "--strength", "0.1",
                      "-o",      "p.png",    "--steps",   "2",          "--scheduler",
                      "ddim",    "--compat", "diffusers", "--threads",  "2"};
  expect_error(at.run(none), 2, {"strength 0.1 of 2 steps leaves none"});
  expect_error(at.run({"generate", "--width", "60", "--compat", "diffusers", "-o", "p.png"}), 2,
               {"a size of 60 is not a multiple of 8"});
}

TEST(Job, CannyWithoutStrengthMakesANewPictureOfTheSameSize) {
  const Workplace at;
  at.make_picture("a.png", "60x44", "8,8,30,20");
  const Outcome made = edit(at, {"canny", "--image", "a.png", "--prompt", "a red box", "--low",
                                 "50", "--save-map", "map.png", "-o", "o.png"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.err.find("wrote o.png: 60x44"), std::string::npos) << made.err;
  ASSERT_EQ(at.run({"annotate", "canny", "a.png", "--low", "50", "-o", "same.png"}).code, 0);
  EXPECT_EQ(at.read("map.png"), at.read("same.png"));
  const auto recipe = nlohmann::json::parse(at.run({"inspect", "o.png", "--json"}).out);
  EXPECT_NE(recipe.dump().find("a red box"), std::string::npos);
}

TEST(Job, ControlOfTheModelIsNamedByItsMap) {
  const Workplace at;
  at.make_picture("a.png");
  ASSERT_EQ(edit(at, {"canny", "--image", "a.png", "--save-map", "map.png", "-o", "o.png"}).code,
            0);
  const Outcome made = edit(
      at, {"generate", "--control-model", "canny", "--control-image", "map.png", "-o", "same.ppm"});
  ASSERT_EQ(made.code, 0) << made.err;
  ASSERT_EQ(edit(at, {"canny", "--image", "a.png", "-o", "o.ppm"}).code, 0);
  EXPECT_EQ(at.read("o.ppm"), at.read("same.ppm"));
}

TEST(Job, StrengthMakesCannyAnImg2img) {
  const Workplace at;
  at.make_picture("a.png");
  for (const char* command : {"canny", "img2img"}) {
    const Outcome made =
        edit(at, {command, "--image", "a.png", "--strength", "0.5", "-o", "o.png"});
    ASSERT_EQ(made.code, 0) << made.err;
    EXPECT_NE(made.err.find("64x64, 1 step, seed 0"), std::string::npos) << made.err;
  }
}

TEST(Job, InpaintSaysCoverageAndWarnsOfLossyFormats) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome png =
      edit(at, {"inpaint", "--image", "a.png", "--mask", "a.png", "-v", "-o", "o.png"});
  ASSERT_EQ(png.code, 0) << png.err;
  EXPECT_NE(png.err.find("mask 25.0 %"), std::string::npos) << png.err;
  EXPECT_NE(png.err.find("3072 pixels kept bit for bit"), std::string::npos) << png.err;
  EXPECT_NE(png.err.find("arithmetic "), std::string::npos) << png.err;
  EXPECT_EQ(png.err.find("warning"), std::string::npos) << png.err;
  const Outcome jpg = edit(at, {"inpaint", "--image", "a.png", "--mask", "a.png", "-o", "o.jpg"});
  EXPECT_NE(jpg.err.find("warning: o.jpg is a lossy format"), std::string::npos) << jpg.err;
}

TEST(Job, CommandsChainThroughPipes) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome first = edit(at, {"canny", "--image", "a.png", "-q", "-o", "-"});
  ASSERT_EQ(first.code, 0) << first.err;
  const Outcome second = edit(at, {"inpaint", "--image", "-", "--mask", "a.png", "-q", "-o", "-"},
                              {.input = first.out});
  ASSERT_EQ(second.code, 0) << second.err;
  const Outcome third = edit(at, {"img2img", "--image", "-", "--strength", "0.5", "-o", "o.png"},
                             {.input = second.out});
  EXPECT_EQ(third.code, 0) << third.err;
}

TEST(Job, JsonProgressIsOneObjectALine) {
  const Workplace at;
  const Outcome made = edit(at, {"generate", "--width", "64", "--height", "64", "--progress",
                                 "json", "-q", "-o", "o.png"});
  ASSERT_EQ(made.code, 0) << made.err;
  std::istringstream lines(made.err);
  std::string line;
  for (int step = 1; std::getline(lines, line); ++step) {
    const auto event = nlohmann::json::parse(line);
    EXPECT_EQ(event.at("event"), "step");
    EXPECT_EQ(event.at("step"), step);
    EXPECT_EQ(event.at("steps"), 2);
    EXPECT_TRUE(event.at("sigma").is_number() && event.at("seconds").is_number());
  }
  EXPECT_EQ(std::count(made.err.begin(), made.err.end(), '\n'), 2);
}

TEST(Job, SavedLatentsAndTraceAreSafetensors) {
  const Workplace at;
  const Outcome made = edit(at, {"generate", "--width", "64", "--height", "64", "--save-latents",
                                 "l.safetensors", "--trace", "t.safetensors", "-o", "o.png"});
  ASSERT_EQ(made.code, 0) << made.err;
  const std::string bytes = at.read("l.safetensors");
  ASSERT_GT(bytes.size(), 8u);
  const auto header =
      nlohmann::json::parse(bytes.substr(8, size_t(static_cast<unsigned char>(bytes[0])) |
                                                size_t(static_cast<unsigned char>(bytes[1])) << 8));
  EXPECT_EQ(header.at("latents").at("shape").size(), 4u);
  EXPECT_GT(at.read("t.safetensors").size(), 8u);
  const Outcome again = edit(at, {"generate", "--width", "64", "--height", "64", "--latents",
                                  "l.safetensors", "-o", "p.png"});
  EXPECT_EQ(again.code, 0) << again.err;
}

TEST(Job, EncodedPicturesDecodeToTheirSizeInCells) {
  const Workplace at;
  at.make_picture("a.png", "60x41", "20,10,20,20");
  const Outcome encoded = at.run({"encode", "a.png", "-o", "z.safetensors"});
  ASSERT_EQ(encoded.code, 0) << encoded.err;
  EXPECT_NE(at.read("z.safetensors").find(R"("shape":[1,4,6,8])"), std::string::npos);
  const Outcome decoded = at.run({"decode", "z.safetensors", "-o", "b.png"});
  ASSERT_EQ(decoded.code, 0) << decoded.err;
  EXPECT_NE(decoded.err.find("64x48"), std::string::npos) << decoded.err;
  expect_error(at.run({"encode", "a.png"}), 2, {"-o FILE is missing"});
  expect_error(at.run({"encode", "none.png", "-o", "z"}), 3, {"none.png"});
}

TEST(Job, TilesOfTheAutoencoderAreAskedForByTheirSize) {
  const Workplace at;
  at.make_picture("a.png", "136x96");
  expect_error(at.run({"encode", "a.png", "--vae-tile", "100", "-o", "a.safetensors"}), 2,
               {"tiles of 100 pixels are not a multiple of 32 pixels", "try 96"});
  ASSERT_EQ(at.run({"encode", "a.png", "--vae-tile", "64", "-o", "a.safetensors"}).code, 0);
  ASSERT_EQ(at.run({"decode", "a.safetensors", "-o", "whole.png"}).code, 0);
  ASSERT_EQ(at.run({"decode", "a.safetensors", "--vae-tile", "64", "-o", "tiles.png"}).code, 0);
  EXPECT_NE(at.read("whole.png"), at.read("tiles.png"));
  const Outcome made = edit(at, {"img2img", "--image", "a.png", "--vae-tile", "64", "-o", "o.png"});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(nlohmann::json::parse(at.run({"inspect", "o.png", "--json"}).out)["recipe"]["vae_tile"],
            64);
}

}  // namespace
}  // namespace dedit::cli_tests

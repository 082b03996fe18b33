// Prompts at the command line: syntax, files, embeddings, and the settings beside them.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

json tokens(const Workplace& at, Words words) {
  words.insert(words.begin(), {"tokens", "--json"});
  const Outcome outcome = at.run(words);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json::parse(outcome.out);
}

TEST(Prompt, TokensShowWeightsAndSchedules) {
  const Workplace at;
  const json answer =
      tokens(at, {"--prompt-syntax", "webui", "--steps", "10", "--", "a [b:.5] (c:1.3)"});
  EXPECT_EQ(answer["schedule"], json::parse(R"json([{"until": 5, "prompt": "a  (c:1.3)"},
                                                    {"until": 10, "prompt": "a b (c:1.3)"}])json"));
  ASSERT_EQ(answer["chunks"].size(), 1u);
  EXPECT_EQ(answer["chunks"][0]["ids"].size(), 77u);
  EXPECT_EQ(answer["chunks"][0]["weights"][2], 1.3);
  EXPECT_EQ(answer["chunks"][0]["weights"][3], 1);
}

TEST(Prompt, PlainSyntaxIsTheDefaultAndHasOneEntry) {
  const Workplace at;
  const json answer = tokens(at, {"(a:1.3) [b:c:5]"});
  EXPECT_EQ(answer, tokens(at, {"--prompt-syntax", "plain", "(a:1.3) [b:c:5]"}));
  EXPECT_EQ(answer["schedule"], json::parse(R"([{"until": 20, "prompt": "(a:1.3) [b:c:5]"}])"));
  for (const json& weight : answer["chunks"][0]["weights"]) EXPECT_EQ(weight, 1);
}

TEST(Prompt, CompositionsListTheirParts) {
  const Workplace at;
  const json answer = tokens(at, {"--prompt-syntax", "webui", "a cat AND a dog:0.5"});
  EXPECT_EQ(answer["chunks"].size(), 2u);
  ASSERT_EQ(answer["parts"].size(), 2u);
  EXPECT_EQ(answer["parts"][1]["weight"], 0.5);
  EXPECT_EQ(answer["parts"][1]["schedule"][0]["prompt"], " a dog");
}

TEST(Prompt, EmptyAndBracketsOnlyAreWindowsOfPadding) {
  const Workplace at;
  const json empty = tokens(at, {""});
  EXPECT_EQ(empty["chunks"].size(), 1u);
  EXPECT_EQ(tokens(at, {"--prompt-syntax", "webui", ""})["chunks"], empty["chunks"]);
  EXPECT_EQ(tokens(at, {"--prompt-syntax", "webui", "()[]"})["chunks"], empty["chunks"]);
}

TEST(Prompt, BracketsWithoutAPartnerAreWarnedOf) {
  const Workplace at;
  const Outcome outcome = at.run({"tokens", "--prompt-syntax", "webui", "--", "(a b]"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("'(' at character 1 is never closed"), std::string::npos);
  EXPECT_NE(outcome.err.find("']' at character 5 closes nothing"), std::string::npos);
  EXPECT_EQ(at.run({"tokens", "--", "(a b]"}).err, "");
}

TEST(Prompt, TruncationNamesTheLostWords) {
  const Workplace at;
  std::string text;
  for (int i = 0; i < 75; ++i) text += "cat ";
  const Outcome outcome = at.run(
      {"tokens", "--json", "--truncate", "--prompt-syntax", "webui", text + "(red:1.2) dog"});
  EXPECT_EQ(json::parse(outcome.out)["chunks"].size(), 1u);
  EXPECT_NE(outcome.err.find("this was cut off: red dog"), std::string::npos) << outcome.err;
}

TEST(Prompt, FilesHoldPrompts) {
  const Workplace at;
  at.write("p.txt",
           "\xef\xbb\xbf"
           "a (cat:1.2)\r\n\n");
  const json direct = tokens(at, {"--prompt-syntax", "webui", "a (cat:1.2)"});
  EXPECT_EQ(tokens(at, {"--prompt-syntax", "webui", "--prompt-file", "p.txt"}), direct);
  const Outcome piped =
      at.run({"tokens", "--json", "--prompt-syntax", "webui", "--prompt-file", "-"},
             {.input = "a (cat:1.2)"});
  EXPECT_EQ(json::parse(piped.out), direct);
  expect_error(at.run({"tokens", "--prompt-file", "none.txt"}), 3, {"'none.txt' cannot be read"});
  expect_error(at.run({"tokens", "--prompt-file", "."}), 3, {"'.' cannot be read"});
  expect_error(at.run({"tokens", "a", "--prompt-file", "p.txt"}), 2, {"are both given"});
  expect_error(at.run({"generate", "--prompt", "a", "--prompt-file", "p.txt", "-o", "o.png"}), 2,
               {"--prompt and --prompt-file are both given"});
  at.write("b.txt", std::string("a\0b", 3));
  expect_error(at.run({"tokens", "--prompt-file", "b.txt"}), 3, {"is not text"});
}

TEST(Prompt, WrongValuesAreRefused) {
  const Workplace at;
  const auto refuses = [&](Words words, int code, const std::string& message) {
    words.insert(words.begin(), {"generate", "-o", "o.png"});
    expect_error(at.run(words), code, {message});
  };
  refuses({"--prompt-syntax", "webiu"}, 2, "--prompt-syntax 'webiu' is none of plain, webui");
  refuses({"--clip-skip", "0"}, 2, "--clip-skip 0 is outside 1..100");
  refuses({"--embedding", "name"}, 2, "--embedding 'name' does not have the form NAME=FILE");
  refuses({"--embedding", "=f"}, 2, "does not have the form NAME=FILE");
  refuses({"--embedding", "a=none.safetensors"}, 4, "none.safetensors");
  refuses({"--guidance-schedule", "7,x"}, 2, "--guidance-schedule 'x' is not a number");
  refuses({"--guidance-schedule", "7,-1"}, 2, "--guidance-schedule -1 is outside 0..1000");
  refuses({"--guidance-rescale", "1.5"}, 2, "--guidance-rescale 1.5 is outside 0..1");
  refuses({"--rng", "gpu"}, 2, "--rng 'gpu' is none of torch-cpu, philox");
  refuses({"--pag-scale", "-1"}, 2, "--pag-scale -1 is outside 0..1000");
  refuses({"--prompt-syntax", "webui", "--prompt", "(a:1.2.3)"}, 2,
          "the weight '1.2.3' in the prompt is no number");
  refuses({"--variation-strength", "2"}, 2, "--variation-strength 2 is outside 0..1");
  refuses({"--prompt-syntax", "webui", "--prompt", "(a:2000)"}, 2,
          "a weight in the prompt is 2000");
  refuses({"--clip-skip", "99"}, 2, "clip skip 99 is outside 1..");
  expect_error(at.run({"tokens", "--steps", "0", "a"}), 2, {"--steps 0 is outside 1..1000"});
  EXPECT_TRUE(at.names().empty());
}

TEST(Prompt, VariationsOfABatchAreNamedByTheirSeeds) {
  const Workplace at;
  const Outcome outcome = at.run({"generate",    "--prompt",
                                  "a [cat|dog]", "--prompt-syntax",
                                  "webui",       "--steps",
                                  "2",           "--scheduler",
                                  "ddim",        "--width",
                                  "64",          "--height",
                                  "64",          "--threads",
                                  "2",           "--seed",
                                  "3",           "--batch",
                                  "2",           "--variation-strength",
                                  "0.2",         "--variation-seed",
                                  "8",           "--rng",
                                  "philox",      "--guidance-schedule",
                                  "7,1",         "--guidance-rescale",
                                  "0.5",         "-o",
                                  "o.png"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(at.names(), (Words{"o-8.png", "o-9.png"}));
  const json recipe = json::parse(at.run({"inspect", "o-9.png", "--json"}).out);
  const std::string text = recipe.dump();
  for (const char* word : {"\"seed\":3", "\"variation_seed\":9", "\"variation_strength\":0.2",
                           "\"rng\":\"philox\"", "\"prompt_syntax\":\"webui\"",
                           "\"guidance_schedule\":[7.0,1.0]", "\"guidance_rescale\":0.5"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << " in " << text;
  }
}

}  // namespace
}  // namespace dedit::cli_tests

// The command line as a whole: overview, help, version, unknown words.
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

const std::vector<std::vector<std::string>> kCommands = {
    {"generate"},          {"img2img"},     {"inpaint"},         {"canny"},
    {"annotate", "canny"}, {"mask", "box"}, {"control", "init"}, {"tokens"},
    {"inspect"},           {"schedulers"},  {"schedule"},
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(App, OverviewNamesEveryCommandOnStdout) {
  const Outcome shown = Workplace().run({});
  EXPECT_EQ(shown.code, 0);
  EXPECT_EQ(shown.err, "");
  for (const auto& words : kCommands) EXPECT_TRUE(contains(shown.out, "\n  " + words[0] + " "));
}

TEST(App, HelpCommandIsTheHelpOptionForEveryCommand) {
  const Workplace at;
  for (auto words : kCommands) {
    std::vector<std::string> help = words;
    help.insert(help.begin(), "help");
    words.emplace_back("--help");
    const Outcome a = at.run(words);
    EXPECT_EQ(a.code, 0) << words[0];
    EXPECT_EQ(a.err, "");
    EXPECT_TRUE(contains(a.out, "Usage: dedit " + words[0]));
    EXPECT_EQ(at.run(help).out, a.out);
  }
}

TEST(App, HelpStatesDefaults) {
  const std::string out = Workplace().run({"inpaint", "--help"}).out;
  EXPECT_TRUE(contains(out, "[default: 20]")) << out;
  EXPECT_TRUE(contains(out, "[default: 7.5]"));
  EXPECT_TRUE(contains(out, "[default: cover]"));
}

TEST(App, HelpListsEverySchedulerWithItsPaper) {
  const Workplace at;
  const auto words_of = [](const std::string& text) {  // one space between, whatever the lines
    std::istringstream words(text);
    std::string out, word;
    while (words >> word) out += " " + word;
    return out;
  };
  const auto rows = nlohmann::json::parse(at.run({"schedulers", "--json"}).out);
  EXPECT_GE(rows.size(), 23u);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--help"}, {"generate", "--help"}, {"schedule", "--help"}}) {
    const Outcome shown = at.run(words);
    EXPECT_EQ(shown.code, 0);
    const std::string help = words_of(shown.out);
    for (const auto& row : rows) {
      const std::string name = row.at("name"), paper = row.at("paper");
      EXPECT_NE(paper, "");
      EXPECT_TRUE(contains(help, " " + name + " " + paper)) << words[0] << ": " << name;
    }
  }
}

TEST(App, VersionGoesToStdout) {
  const Outcome shown = Workplace().run({"--version"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_TRUE(contains(shown.out, "oneDNN: ")) << shown.out;
}

TEST(App, UnknownCommandIsUsageWithASuggestion) {
  expect_error(Workplace().run({"cany"}), 2, {"'cany'", "did you mean canny"});
  expect_error(Workplace().run({"mask", "bux"}), 2, {"'bux'", "did you mean box"});
  expect_error(Workplace().run({"mask"}), 2, {"dedit mask needs one of: box"});
}

TEST(App, UnknownOptionIsUsageWithASuggestion) {
  expect_error(Workplace().run({"canny", "--imge", "a.png"}), 2,
               {"unknown option --imge", "did you mean --image", "dedit canny --help"});
  expect_error(Workplace().run({"generate", "--zzz=3"}), 2, {"unknown option --zzz for"});
  expect_error(Workplace().run({"--zzz"}), 2, {"unknown option --zzz"});
}

TEST(App, UnexpectedArgumentIsUsage) {
  expect_error(Workplace().run({"generate", "a.png"}), 2, {"unexpected argument 'a.png'"});
}

TEST(App, ControlCharactersOfNamesAreEscaped) {
  expect_error(Workplace().run({"generate", "a\nb\x1b[31m"}), 2, {"a\\x0ab\\x1b[31m"});
}

TEST(App, TextAfterTwoDashesIsAPrompt) {
  const Outcome shown = Workplace().run({"tokens", "--json", "--", "--strange prompt"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_TRUE(contains(shown.out, "\"chunks\"")) << shown.out;
}

}  // namespace
}  // namespace dedit::cli_tests

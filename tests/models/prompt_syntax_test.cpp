// The prompt syntax: a table recorded from the web UI's parser, and facts.
#include "models/prompt_syntax.h"

#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/prompt_windows.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using nlohmann::json;

const json& table() {
  static const json data = json::parse(std::ifstream(DEDIT_TEST_DATA "/prompts/webui_cases.json"));
  return data;
}

WindowOptions webui(bool truncate = false) {
  return {.syntax = PromptSyntax::kWebui, .truncate = truncate, .embeddings = {}};
}

PromptWindows windows(const std::string& text, const WindowOptions& options = webui()) {
  return make_windows(*ClipTokenizer::builtin(), text, options);
}

/// Ids between begin and the first end.
std::vector<int32_t> ids_of(const PromptWindow& window) {
  const auto& ids = window.tokens.ids;
  return {ids.begin() + 1, std::find(ids.begin(), ids.end(), 49407)};
}

TEST(PromptSyntax, ReadsTheTableAsTheReference) {
  ASSERT_GE(table()["cases"].size(), 60u);
  for (const json& row : table()["cases"]) {
    const std::string prompt = row["prompt"];
    SCOPED_TRACE(prompt);
    const std::vector<ScheduledText> schedule = parse_schedule(prompt, row["steps"]);
    ASSERT_EQ(schedule.size(), row["schedule"].size());
    for (size_t i = 0; i < schedule.size(); ++i) {
      EXPECT_EQ(schedule[i].until, row["schedule"][i]["until"].get<int>());
      EXPECT_EQ(schedule[i].text, row["schedule"][i]["prompt"].get<std::string>());
    }
    const PromptWindows made = windows(schedule[0].text);
    ASSERT_EQ(made.windows.size(), row["windows"].size());
    for (size_t w = 0; w < made.windows.size(); ++w) {
      const json& wanted = row["windows"][w];
      const std::vector<int32_t> ids = ids_of(made.windows[w]);
      EXPECT_EQ(ids, wanted["ids"].get<std::vector<int32_t>>()) << "window " << w;
      const std::vector<double>& weights = made.windows[w].tokens.weights;
      ASSERT_EQ(weights.size(), 77u);
      // The same double products in the same order: equal to the last bit.
      EXPECT_EQ(std::vector<double>(weights.begin() + 1, weights.begin() + 1 + long(ids.size())),
                wanted["weights"].get<std::vector<double>>())
          << "window " << w;
      EXPECT_EQ(weights[0], 1);
      EXPECT_EQ(weights[76], 1);
    }
  }
}

TEST(PromptSyntax, EmphasisIsTheReferencesPairs) {
  for (const json& row : table()["cases"]) {
    const std::string text = row["schedule"][0]["prompt"];
    std::vector<std::pair<std::string, double>> mine, wanted;
    for (const WeightedText& part : parse_emphasis(text)) {
      mine.emplace_back(part.is_break ? "BREAK" : part.text, part.is_break ? -1 : part.weight);
    }
    for (const json& part : row["emphasis"]) wanted.emplace_back(part[0], part[1]);
    EXPECT_EQ(mine, wanted) << text;
  }
}

TEST(PromptSyntax, BreakInsideBracketsIsAWordOfNegativeWeight) {
  const auto parts = parse_emphasis("(a BREAK b:1.2)");
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[1].text, "BREAK");
  EXPECT_EQ(parts[1].weight, -1.2);
  EXPECT_FALSE(parts[1].is_break);
  EXPECT_EQ(parts[2].weight, 1.2);
  EXPECT_TRUE(parse_emphasis("(BREAK:1)")[1].is_break);
  EXPECT_EQ(parse_emphasis("(a BREAK b:0)")[0].text, "aBREAKb");
  EXPECT_EQ(
      bracket_warnings("(a BREAK b)"),
      std::vector<std::string>{"prompt: BREAK inside brackets is read as a word, as web UIs do"});
}

TEST(PromptSyntax, AMalformedWeightIsAUsageErrorAWordIsText) {
  for (const char* text : {"(a:1.2.3)", "((a:.)", "(a:+.)", "(a: 1..2 )"}) {
    try {
      parse_emphasis(text);
      ADD_FAILURE() << text << " was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
      EXPECT_NE(std::string(e.what()).find("is no number"), std::string::npos);
    }
  }
  EXPECT_EQ(parse_emphasis("a:1.2.3)")[0].text, "a:1.2.3)");
  EXPECT_EQ(parse_emphasis("(a:x)")[0].text, "a:x");
  EXPECT_EQ(parse_emphasis("(a:1e1)")[0].text, "a:1e1");
  EXPECT_EQ(parse_emphasis("(a:+)")[0].text, "a:+");
}

TEST(PromptSyntax, BracketsWithoutAPartnerAreNamed) {
  EXPECT_TRUE(bracket_warnings("(a) [b] \\( (c:1.3) [d:e:3]").empty());
  using Texts = std::vector<std::string>;
  EXPECT_EQ(bracket_warnings("ä (b"),
            Texts{"prompt: '(' at character 3 is never closed; it reaches to the end"});
  EXPECT_EQ(bracket_warnings("a)) ["),
            (Texts{"prompt: '[' at character 5 is never closed; it reaches to the end",
                   "prompt: ')' at character 2 (and 1 more) closes nothing; it is taken as text"}));
  EXPECT_EQ(bracket_warnings("a:1.3)"),
            Texts{"prompt: ')' at character 6 closes nothing; it is taken as text"});
}

TEST(PromptSyntax, CompositionsSplitAtTheWordAnd) {
  const auto parts = split_composition("a cat AND  a dog : 0.5 AND red:-1.ANDROID AND b:2. ");
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[0].text, "a cat");
  EXPECT_EQ(parts[0].weight, 1);
  EXPECT_EQ(parts[1].text, "  a dog");
  EXPECT_EQ(parts[1].weight, 0.5);
  EXPECT_EQ(parts[2].text, " red:-1.ANDROID");
  EXPECT_EQ(parts[3].weight, 2);
  EXPECT_EQ(split_composition("12:30")[0].text, "12:30");
  EXPECT_EQ(split_composition("").size(), 1u);
  EXPECT_EQ(split_composition("AND").size(), 2u);
}

TEST(PromptWindows, PlainTextHasNoSyntaxAndIsCutWhereAWindowIsFull) {
  std::string text = "(a:1.3) [b] ";
  for (int i = 0; i < 80; ++i) text += "cat, ";
  const PromptWindows made = windows(text, {});
  const auto whole = ClipTokenizer::builtin()->chunks(text, false);
  ASSERT_EQ(made.windows.size(), whole.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(made.windows[i].tokens.ids, whole[i].ids);
    EXPECT_EQ(made.windows[i].tokens.weights, std::vector<double>(77, 1.0));
  }
}

TEST(PromptWindows, TruncationKeepsOneFullWindowAndNamesTheRest) {
  std::string text;
  for (int i = 0; i < 73; ++i) text += "cat ";
  const PromptWindows made = windows(text + ", (red dog:1.2), old house", webui(true));
  ASSERT_EQ(made.windows.size(), 1u);
  EXPECT_EQ(ids_of(made.windows[0]).size(), 75u);
  EXPECT_EQ(made.lost, "dog , old house");
  EXPECT_EQ(windows("a BREAK b", webui(true)).lost, "b");
  EXPECT_EQ(windows("a", webui(true)).lost, "");
}

TEST(PromptWindows, EmbeddingsTakeTheirVectorsPlaces) {
  const std::vector<EmbeddingWord> words = {{"my", 1}, {"My Style", 3}, {"<x>", 2}};
  for (const PromptSyntax syntax : {PromptSyntax::kPlain, PromptSyntax::kWebui}) {
    const WindowOptions options{.syntax = syntax, .truncate = false, .embeddings = words};
    const PromptWindows made = windows("a MY style, <X>, mystyle my", options);
    ASSERT_EQ(made.windows.size(), 1u);
    const PromptWindow& window = made.windows[0];
    ASSERT_EQ(window.insertions.size(), 3u);
    EXPECT_EQ(window.insertions[0].embedding, 1);
    EXPECT_EQ(window.insertions[0].position, 2);
    EXPECT_EQ(window.insertions[1].embedding, 2);
    EXPECT_EQ(window.insertions[1].position, 6);
    EXPECT_EQ(window.insertions[2].embedding, 0);
    EXPECT_EQ(std::vector<int32_t>(window.tokens.ids.begin() + 2, window.tokens.ids.begin() + 5),
              std::vector<int32_t>(3, 0));
  }
}

TEST(PromptWindows, VectorsOfAnEmbeddingStayTogether) {
  const std::vector<EmbeddingWord> words = {{"style", 4}};
  const WindowOptions options{
      .syntax = PromptSyntax::kWebui, .truncate = false, .embeddings = words};
  std::string text;
  for (int i = 0; i < 72; ++i) text += "cat ";
  const PromptWindows made = windows(text + "(style:1.5)", options);
  ASSERT_EQ(made.windows.size(), 2u);
  ASSERT_EQ(made.windows[1].insertions.size(), 1u);
  EXPECT_EQ(made.windows[1].insertions[0].position, 1);
  EXPECT_EQ(made.windows[1].tokens.weights[4], 1.5);
  EXPECT_EQ(made.windows[1].tokens.weights[5], 1);
  // After a comma they move with what follows it.
  text.resize(text.size() - 4);
  const PromptWindows moved = windows(text.substr(0, 4 * 68) + ", style cat cat dog", options);
  ASSERT_EQ(moved.windows.size(), 2u);
  EXPECT_EQ(moved.windows[0].insertions.size(), 0u);
  ASSERT_EQ(moved.windows[1].insertions.size(), 1u);
  EXPECT_EQ(moved.windows[1].insertions[0].position, 1);
  EXPECT_EQ(ids_of(moved.windows[1]).size(), 7u);
}

TEST(PromptWindows, ImpossibleWeightsAndEmbeddingsAreUsageErrors) {
  const auto kind = [](const std::string& text, const WindowOptions& options) {
    try {
      windows(text, options);
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::kOther;
  };
  EXPECT_EQ(kind("(a:1001)", webui()), ErrorKind::kUsage);
  EXPECT_EQ(kind(std::string(9000, '(') + "a", webui()), ErrorKind::kUsage);
  EXPECT_EQ(kind("(a:" + std::string(400, '9') + ")", webui()), ErrorKind::kUsage);
  const std::vector<EmbeddingWord> words = {{"style", 76}};
  EXPECT_EQ(kind("", {.syntax = PromptSyntax::kPlain, .truncate = false, .embeddings = words}),
            ErrorKind::kUsage);
}

}  // namespace
}  // namespace dedit

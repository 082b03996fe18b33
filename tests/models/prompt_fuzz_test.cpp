// The prompt parsers on random texts: no crash, and facts that hold for any text.
#include <chrono>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "models/prompt_syntax.h"
#include "models/prompt_windows.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// A text of pieces that matter to the parsers, and of any bytes.
std::string random_prompt(std::mt19937& random) {
  static const char* const kPieces[] = {
      "(",     ")",     "[",    "]",    ":",    "|",    "\\",  "\\(", "\\]", "BREAK",
      " AND ", ":1.3)", ":0.5", ":.5]", ":3]",  "::2",  "cat", "dog", "a b", ", ",
      " ",     "\n",    "猫",   "é",    "\xff", "\xe7", "1",   ".",   "-",   "style"};
  std::string text;
  for (size_t n = random() % 40; n > 0; --n) {
    if (random() % 8 == 0) {
      text += char(random() % 256);
    } else {
      text += kPieces[random() % std::size(kPieces)];
    }
  }
  if (random() % 64 == 0)
    text = text + std::string(random() % 3000, "([:|\\a"[random() % 6]) + text;
  return text;
}

// Facts that hold for any text.
void check_any(const std::string& text, int steps) {
  const std::vector<EmbeddingWord> words = {{"style", 3}, {"a b", 1}};
  const std::vector<ScheduledText> schedule = parse_schedule(text, steps);
  ASSERT_FALSE(schedule.empty());
  EXPECT_EQ(schedule.back().until, steps);
  for (size_t i = 1; i < schedule.size(); ++i) {
    EXPECT_LT(schedule[i - 1].until, schedule[i].until);
  }
  bracket_warnings(text);
  for (const ComposedText& part : split_composition(text)) {
    for (const bool truncate : {false, true}) {
      const WindowOptions options{
          .syntax = PromptSyntax::kWebui, .truncate = truncate, .embeddings = words};
      try {
        const PromptWindows made = make_windows(*ClipTokenizer::builtin(), part.text, options);
        ASSERT_FALSE(made.windows.empty());
        for (const PromptWindow& window : made.windows) {
          ASSERT_EQ(window.tokens.ids.size(), 77u);
          ASSERT_EQ(window.tokens.weights.size(), 77u);
          for (const Insertion& x : window.insertions) {
            ASSERT_LE(x.position + words[size_t(x.embedding)].n_vectors, 76);
          }
        }
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::kUsage);
      }
    }
  }
}

// DEDIT_FUZZ_SECONDS=600 test_models --gtest_filter='PromptFuzz*' runs for ten minutes, and
// DEDIT_FUZZ_SEED=N from another start.
TEST(PromptFuzz, AnyTextIsReadWithoutHarm) {
  const char* seconds = std::getenv("DEDIT_FUZZ_SECONDS");
  const char* given = std::getenv("DEDIT_FUZZ_SEED");
  const unsigned seed = given ? unsigned(std::atoi(given)) : 5;
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::duration<double>(seconds ? std::atof(seconds) : 0);
  std::mt19937 random(seed);
  int64_t n = 0;
  do {
    for (int i = 0; i < 200; ++i, ++n) {
      const std::string text = random_prompt(random);
      check_any(text, 1 + int(random() % 30));
      ASSERT_FALSE(::testing::Test::HasFailure())
          << "seed " << seed << ", text " << n << ": " << text;
    }
  } while (std::chrono::steady_clock::now() < end);
  RecordProperty("texts", std::to_string(n));
}

}  // namespace
}  // namespace dedit

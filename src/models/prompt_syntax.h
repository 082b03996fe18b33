// The web UI's prompt syntax: text to weighted texts, schedules and compositions. Pure functions.
// Reference: prompt_parser of stable-diffusion-webui 1.10.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dedit {

/// A stretch of text and its weight, or the border between two windows.
struct WeightedText {
  std::string text;
  double weight = 1;
  bool is_break = false;
};

/// `(a)` weighs 1.1 times, `[a]` 1/1.1 times, `(a:1.3)` 1.3 times, nested ones multiply; `\(`,
/// `\)`,
/// `\[`, `\]` and `\\` are the characters themselves; the word BREAK is a border, of weight -1:
/// inside brackets it is weighed and becomes a word, as in the web UI. Brackets left open close at
/// the end; closing ones without an opening one are text. Neighbours of equal weight are joined.
/// Never empty. Throws Error(kUsage) for a malformed number as in `(a:1.2.3)`.
std::vector<WeightedText> parse_emphasis(std::string_view prompt);

/// What a person should know about brackets without a partner, one sentence each.
std::vector<std::string> bracket_warnings(std::string_view prompt);

/// A prompt's text up to and including a step; see TextBranch::entry_at for how steps are counted.
struct ScheduledText {
  int until = 0;
  std::string text;
};

/// `[a:b:w]` is a until step w, then b; `[b:w]` and `[a::w]` leave one of them out; w with a point
/// is a share of `steps`, else a step. `[a|b|c]` takes turns, a step each. They nest. What does not
/// follow the grammar is left as it is; a `|` elsewhere or a stray backslash leaves the whole
/// prompt as it is. The last entry's `until` is `steps`, which is at least 1.
std::vector<ScheduledText> parse_schedule(std::string_view prompt, int steps);

/// One prompt of a composition.
struct ComposedText {
  std::string text;
  double weight = 1;
};

/// Parts between the words AND, each with the number after its last colon, 1 without one. A prompt
/// without AND is one part, whatever it ends with (the web UI reads a weight there too).
std::vector<ComposedText> split_composition(std::string_view prompt);

}  // namespace dedit

#include <algorithm>
#include <set>

#include "models/prompt_scan.h"
#include "models/prompt_syntax.h"

namespace dedit {
namespace {

/// A `[a:b:w]` or `[a|b]`: the bytes [begin, end) of the prompt and of each thing it can show.
struct Choice {
  size_t begin = 0, end = 0;
  struct Range {
    size_t begin = 0, end = 0;
  };
  std::vector<Range> shown;  // scheduled: before and after; alternating: each in turn
  bool alternates = false;
  int last_before = 0;  ///< scheduled: the last step that shows the first
};

/// A bracket not yet closed, with its own ':' and '|'.
struct Open {
  char bracket = '(';
  size_t at = 0;
  std::vector<size_t> colons = {}, bars = {};
};

/// Finds the choices in one pass. Brackets that never become a well-formed group are text; so is a
/// colon; but a '|' or a backslash that stays text makes the grammar fail for the whole prompt.
class ScheduleParser {
 public:
  ScheduleParser(std::string_view prompt, int steps) : prompt_(prompt), steps_(steps) {}

  /// False: the grammar fails.
  bool parse(std::vector<Choice>& choices) {
    for (size_t at = 0; at < prompt_.size() && is_good_; ++at) {
      switch (prompt_[at]) {
        case '\\':
          is_good_ = at + 1 < prompt_.size() && prompt_[at + 1] != '\n';
          ++at;
          break;
        case '(':
        case '[':
          open_.push_back({prompt_[at], at});
          break;
        case ':':
          if (!open_.empty()) open_.back().colons.push_back(at);
          break;
        case '|':
          is_good_ = !open_.empty();
          if (is_good_) open_.back().bars.push_back(at);
          break;
        case ')':
        case ']':
          close(at, choices);
          break;
        default:
          break;
      }
    }
    give_up_open();
    return is_good_;
  }

 private:
  /// All open brackets turn out to be text.
  void give_up_open() {
    for (const Open& open : open_) is_good_ = is_good_ && open.bars.empty();
    open_.clear();
  }

  void close(size_t at, std::vector<Choice>& choices) {
    const bool is_round = prompt_[at] == ')';
    if (open_.empty() || (open_.back().bracket == '(') != is_round) return give_up_open();
    const Open& open = open_.back();
    const bool is_emphasis = open.bars.empty() && open.colons.size() <= (is_round ? 1 : 0);
    if (!is_emphasis && (is_round || !add_choice(open, at, choices))) return give_up_open();
    open_.pop_back();
  }

  bool add_choice(const Open& open, size_t close, std::vector<Choice>& choices) const {
    Choice choice{.begin = open.at, .end = close + 1, .shown = {}};
    if (!open.bars.empty()) {
      choice.alternates = true;
      choice.shown = ranges(open.at + 1, open.bars, close);
      choices.push_back(choice);
      return open.colons.empty();
    }
    choice.shown = ranges(open.at + 1, open.colons, close);
    if (choice.shown.size() > 3) return false;
    const Choice::Range when = choice.shown.back();
    const auto number = trim_right(trim_left(prompt_.substr(when.begin, when.end - when.begin)));
    const std::optional<double> value = read_number(number, /*with_exponent=*/true);
    if (!value) return false;
    const bool is_share = number.find('.') != number.npos;
    // Truncated, as the reference; a step below 1 never shows the first.
    choice.last_before = int(std::clamp(is_share ? *value * steps_ : *value, 0.0, double(steps_)));
    choice.shown.pop_back();
    if (choice.shown.size() == 1) choice.shown.insert(choice.shown.begin(), {open.at, open.at});
    choices.push_back(choice);
    return true;
  }

  static std::vector<Choice::Range> ranges(size_t begin, const std::vector<size_t>& separators,
                                           size_t end) {
    std::vector<Choice::Range> all;
    for (size_t at : separators) {
      all.push_back({begin, at});
      begin = at + 1;
    }
    all.push_back({begin, end});
    return all;
  }

  std::string_view prompt_;
  int steps_;
  bool is_good_ = true;
  std::vector<Open> open_;
};

/// The prompt at a step: what is inside a choice but not shown is left out, at any depth.
std::string text_at(std::string_view prompt, const std::vector<Choice>& choices, int step) {
  std::vector<int> hides(prompt.size() + 1, 0);  // change of the number of reasons to hide
  const auto hide = [&](size_t begin, size_t end) {
    ++hides[begin];
    --hides[end];
  };
  for (const Choice& choice : choices) {
    const size_t turn = choice.alternates ? size_t(step - 1) % choice.shown.size()
                                          : (step <= choice.last_before ? 0 : 1);
    hide(choice.begin, choice.shown[turn].begin);
    hide(choice.shown[turn].end, choice.end);
  }
  std::string text;
  int reasons = 0;
  for (size_t i = 0; i < prompt.size(); ++i) {
    reasons += hides[i];
    if (reasons == 0) text += prompt[i];
  }
  return text;
}

/// The weight after the last colon, taken off the end of `text`.
double take_weight(std::string_view& text) {
  const std::string_view body = trim_right(text);
  const size_t last_other = body.find_last_not_of("0123456789.");
  size_t begin = last_other == body.npos ? 0 : last_other + 1;
  if (begin > 0 && (body[begin - 1] == '+' || body[begin - 1] == '-')) --begin;
  const std::optional<double> weight = read_number(body.substr(begin), /*with_exponent=*/false);
  const std::string_view head = trim_right(body.substr(0, begin));
  text = body;
  if (!weight || !head.ends_with(':')) return 1;
  text = trim_right(head.substr(0, head.size() - 1));
  return *weight;
}

}  // namespace

std::vector<ScheduledText> parse_schedule(std::string_view prompt, int steps) {
  std::vector<Choice> choices;
  if (!ScheduleParser(prompt, steps).parse(choices)) return {{steps, std::string(prompt)}};
  std::set<int> ends = {steps};
  for (const Choice& choice : choices) {
    if (choice.alternates) {
      for (int step = 1; step < steps; ++step) ends.insert(step);
    } else if (choice.last_before >= 1) {
      ends.insert(choice.last_before);
    }
  }
  std::vector<ScheduledText> schedule;
  for (int until : ends) schedule.push_back({until, text_at(prompt, choices, until)});
  return schedule;
}

std::vector<ComposedText> split_composition(std::string_view prompt) {
  constexpr std::string_view kAnd = "AND";
  std::vector<ComposedText> parts;
  for (size_t at = find_word(prompt, kAnd, 0); at != prompt.npos; at = find_word(prompt, kAnd, 0)) {
    parts.push_back({std::string(prompt.substr(0, at)), 1});
    prompt.remove_prefix(at + kAnd.size());
  }
  parts.push_back({std::string(prompt), 1});
  if (parts.size() == 1) return parts;
  for (ComposedText& part : parts) {
    std::string_view text = part.text;
    part.weight = take_weight(text);
    part.text = std::string(text);
  }
  return parts;
}

}  // namespace dedit

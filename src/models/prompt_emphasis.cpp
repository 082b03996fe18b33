#include <algorithm>

#include "core/str.h"
#include "models/prompt_scan.h"
#include "models/prompt_syntax.h"

#include "dedit/error.h"

namespace dedit {
namespace {

constexpr std::string_view kBreak = "BREAK";

enum class Kind { kText, kEscape, kOpenRound, kOpenSquare, kCloseRound, kCloseSquare, kWeight };

struct Token {
  Kind kind = Kind::kText;
  size_t begin = 0;
  std::string_view text;
  std::string_view number = {};  ///< of kWeight: the 1.3 in ":1.3)"
};

/// ":1.3)" with white space around the number, at the head of `text`; the number may be malformed.
std::optional<Token> weight_token(std::string_view text, size_t begin) {
  const size_t close = text.find_first_of("\\()[]:", 1);
  if (close == text.npos || text[close] != ')') return std::nullopt;
  const std::string_view number = trim_right(trim_left(text.substr(1, close - 1)));
  const bool has_sign = number.starts_with('+') || number.starts_with('-');
  const std::string_view digits = number.substr(has_sign ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789.") != digits.npos) return std::nullopt;
  return Token{Kind::kWeight, begin, text.substr(0, close + 1), number};
}

Token token_at(std::string_view prompt, size_t begin) {
  const std::string_view rest = prompt.substr(begin);
  const auto token = [&](Kind kind, size_t n) { return Token{kind, begin, rest.substr(0, n)}; };
  switch (rest.front()) {
    case '\\': {
      const bool escapes =
          rest.size() > 1 && std::string_view("()[]\\").find(rest[1]) != std::string_view::npos;
      return token(Kind::kEscape, escapes ? 2 : 1);
    }
    case '(':
      return token(Kind::kOpenRound, 1);
    case '[':
      return token(Kind::kOpenSquare, 1);
    case ')':
      return token(Kind::kCloseRound, 1);
    case ']':
      return token(Kind::kCloseSquare, 1);
    case ':':
      return weight_token(rest, begin).value_or(token(Kind::kText, 1));
    default:
      return token(Kind::kText, std::min(rest.find_first_of("\\()[]:"), rest.size()));
  }
}

class EmphasisParser {
 public:
  std::vector<WeightedText> parse(std::string_view prompt) {
    for (size_t at = 0; at < prompt.size();) {
      const Token token = token_at(prompt, at);
      take(token);
      at += token.text.size();
    }
    for (size_t first : round_) multiply(first, kRound);
    for (size_t first : square_) multiply(first, kSquare);
    return joined();
  }

 private:
  static constexpr double kRound = 1.1;
  static constexpr double kSquare = 1 / 1.1;

  void take(const Token& token) {
    switch (token.kind) {
      case Kind::kEscape:  // a backslash before anything else vanishes
        parts_.push_back({std::string(token.text.substr(1)), 1, false});
        return;
      case Kind::kOpenRound:
        round_.push_back(parts_.size());
        return;
      case Kind::kOpenSquare:
        square_.push_back(parts_.size());
        return;
      case Kind::kWeight:
        if (round_.empty()) {
          take_text(token.text);
        } else {
          close(round_, weight_of(token));
        }
        return;
      case Kind::kCloseRound:
        if (!close(round_, kRound)) take_text(token.text);
        return;
      case Kind::kCloseSquare:
        if (!close(square_, kSquare)) take_text(token.text);
        return;
      case Kind::kText:
        take_text(token.text);
        return;
    }
  }

  void take_text(std::string_view text) {
    for (size_t at = find_word(text, kBreak, 0); at != text.npos; at = find_word(text, kBreak, 0)) {
      parts_.push_back({std::string(trim_right(text.substr(0, at))), 1, false});
      parts_.push_back({std::string(kBreak), -1, false});
      text = trim_left(text.substr(at + kBreak.size()));
    }
    parts_.push_back({std::string(text), 1, false});
  }

  static double weight_of(const Token& token) {
    const std::optional<double> weight = read_number(token.number, /*with_exponent=*/false);
    if (weight) return *weight;
    throw Error(ErrorKind::kUsage,
                str("the weight '", token.number, "' in the prompt is no number"),
                "write (word:1.3), or \\( and \\) for brackets that are text");
  }

  bool close(std::vector<size_t>& open, double weight) {
    if (open.empty()) return false;
    multiply(open.back(), weight);
    open.pop_back();
    return true;
  }

  void multiply(size_t first, double weight) {
    for (size_t i = first; i < parts_.size(); ++i) parts_[i].weight *= weight;
  }

  std::vector<WeightedText> joined() {
    std::vector<WeightedText> all;
    for (WeightedText& part : parts_) {
      if (!all.empty() && all.back().weight == part.weight) {
        all.back().text += part.text;
      } else {
        all.push_back(std::move(part));
      }
    }
    if (all.empty()) all.push_back({});
    // A border that brackets have weighed is a word, as in the web UI.
    for (WeightedText& part : all) part.is_break = part.text == kBreak && part.weight == -1;
    return all;
  }

  std::vector<WeightedText> parts_;
  std::vector<size_t> round_, square_;  ///< for each open bracket, the first part inside
};

/// "the first at character 3": characters, counted from 1.
std::string place(std::string_view prompt, size_t at) {
  const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  return str("at character ",
             std::count_if(prompt.begin(), prompt.begin() + long(at), is_start) + 1);
}

std::string sentence(std::string_view prompt, char bracket, const std::vector<size_t>& where,
                     const std::string& what) {
  return str("prompt: '", bracket, "' ", place(prompt, where.front()),
             where.size() > 1 ? str(" (and ", where.size() - 1, " more)") : "", " ", what);
}

}  // namespace

std::vector<WeightedText> parse_emphasis(std::string_view prompt) {
  return EmphasisParser().parse(prompt);
}

std::vector<std::string> bracket_warnings(std::string_view prompt) {
  std::vector<size_t> round, square, stray_round, stray_square;
  bool has_weighed_break = false;
  const auto close = [](std::vector<size_t>& open, std::vector<size_t>& stray, size_t at) {
    if (open.empty()) {
      stray.push_back(at);
    } else {
      open.pop_back();
    }
  };
  for (size_t at = 0; at < prompt.size();) {
    const Token token = token_at(prompt, at);
    if (token.kind == Kind::kOpenRound) round.push_back(at);
    if (token.kind == Kind::kOpenSquare) square.push_back(at);
    if (token.kind == Kind::kCloseSquare) close(square, stray_square, at);
    if (token.kind == Kind::kCloseRound || token.kind == Kind::kWeight) {
      close(round, stray_round, at + token.text.size() - 1);
    }
    const bool is_inside = !round.empty() || !square.empty();
    if (is_inside && token.kind == Kind::kText &&
        find_word(token.text, kBreak, 0) != token.text.npos) {
      has_weighed_break = true;
    }
    at += token.text.size();
  }
  const std::string open = "is never closed; it reaches to the end";
  const std::string stray = "closes nothing; it is taken as text";
  std::vector<std::string> warnings;
  if (!round.empty()) warnings.push_back(sentence(prompt, '(', round, open));
  if (!square.empty()) warnings.push_back(sentence(prompt, '[', square, open));
  if (!stray_round.empty()) warnings.push_back(sentence(prompt, ')', stray_round, stray));
  if (!stray_square.empty()) warnings.push_back(sentence(prompt, ']', stray_square, stray));
  if (has_weighed_break) {
    warnings.push_back("prompt: BREAK inside brackets is read as a word, as web UIs do");
  }
  return warnings;
}

}  // namespace dedit

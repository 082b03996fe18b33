#include "models/prompt_scan.h"

#include <algorithm>
#include <cmath>
#include <locale>
#include <sstream>
#include <string>

#include "models/prompt_text.h"

namespace dedit {
namespace {

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// Where the character that ends before `end` begins; at most four bytes back.
size_t start_of_last(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && end - at < 4 && is_continuation(text[at])) --at;
  return at;
}

size_t end_of_first(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && end - at < 4 && is_continuation(text[end])) ++end;
  return end;
}

CharClass class_at(std::string_view text, size_t begin, size_t end) {
  return class_of(from_utf8(text.substr(begin, end - begin)).front());
}

bool is_word_part(std::string_view text, size_t begin, size_t end) {
  const CharClass c = class_at(text, begin, end);
  return c == CharClass::kLetter || c == CharClass::kNumber || text[begin] == '_';
}

size_t count_digits(std::string_view text) {
  const auto end =
      std::find_if(text.begin(), text.end(), [](char c) { return c < '0' || c > '9'; });
  return size_t(end - text.begin());
}

void skip_sign(std::string_view& text) {
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
}

}  // namespace

size_t find_word(std::string_view text, std::string_view word, size_t from) {
  for (size_t at = text.find(word, from); at != text.npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool joined_left = at > 0 && is_word_part(text, start_of_last(text, at), at);
    const bool joined_right = end < text.size() && is_word_part(text, end, end_of_first(text, end));
    if (!joined_left && !joined_right) return at;
  }
  return text.npos;
}

std::string_view trim_left(std::string_view text) {
  while (!text.empty()) {
    const size_t end = end_of_first(text, 0);
    if (class_at(text, 0, end) != CharClass::kSpace) break;
    text.remove_prefix(end);
  }
  return text;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty()) {
    const size_t begin = start_of_last(text, text.size());
    if (class_at(text, begin, text.size()) != CharClass::kSpace) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

std::optional<double> read_number(std::string_view text, bool with_exponent) {
  std::string_view rest = text;
  skip_sign(rest);
  const size_t whole = count_digits(rest);
  rest.remove_prefix(whole);
  size_t decimals = 0;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    decimals = count_digits(rest);
    rest.remove_prefix(decimals);
  }
  if (whole + decimals == 0) return std::nullopt;
  if (with_exponent && (rest.starts_with('e') || rest.starts_with('E'))) {
    rest.remove_prefix(1);
    skip_sign(rest);
    const size_t digits = count_digits(rest);
    if (digits == 0) return std::nullopt;
    rest.remove_prefix(digits);
  }
  if (!rest.empty()) return std::nullopt;
  // Not from_chars: it takes no plus sign and leaves the value of numbers out of range alone.
  std::istringstream stream{std::string(text)};
  stream.imbue(std::locale::classic());
  double value = 0;
  stream >> value;  // out of range: the largest double or 0
  return value;
}

}  // namespace dedit

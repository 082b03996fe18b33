#include "io/png_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace dedit {
namespace {

/// Length of the UTF-8 sequence at `at`; 0 if it is not one (RFC 3629: overlong forms, surrogates
/// and code points past U+10FFFF included).
size_t utf8_length(std::string_view s, size_t at) {
  const auto byte = [&](size_t i) { return at + i < s.size() ? uint8_t(s[at + i]) : uint8_t{0}; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return n;
}

}  // namespace

std::string latin1_to_utf8(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = uint8_t(c);
    if (u < 0x80) {
      out += c;
    } else {
      out += char(0xc0 | (u >> 6));
      out += char(0x80 | (u & 0x3f));
    }
  }
  return out;
}

std::string utf8_to_latin1(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t n = utf8_length(text, at);
    const auto first = uint8_t(text[at]);
    if (n == 1) {
      out += text[at];
    } else if (n == 2 && first <= 0xc3) {
      out += char((first << 6) | (uint8_t(text[at + 1]) & 0x3f));
    } else {
      return {};
    }
    at += n;
  }
  return out;
}

bool is_utf8(std::string_view s) {
  for (size_t at = 0; at < s.size();) {
    const size_t n = utf8_length(s, at);
    if (n == 0) return false;
    at += n;
  }
  return true;
}

bool is_png_keyword(std::string_view latin1) {
  const bool is_printable = std::all_of(latin1.begin(), latin1.end(), [](char c) {
    const auto u = uint8_t(c);
    return (u >= 32 && u < 127) || u > 160;
  });
  return !latin1.empty() && latin1.size() <= 79 && is_printable && latin1.front() != ' ' &&
         latin1.back() != ' ' && latin1.find("  ") == std::string_view::npos;
}

}  // namespace dedit

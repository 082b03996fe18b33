#include "models/prompt_text.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <utf8proc.h>

namespace dedit {
namespace {

struct Range {
  char32_t first, last;
};

bool contains(std::span<const Range> ranges, char32_t c) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), c,
                                      [](char32_t x, const Range& r) { return x < r.first; });
  return after != ranges.begin() && c <= std::prev(after)->last;
}

// The reference's tables are of three Unicode versions: normalisation 9, classes 16, lower case 17.
// utf8proc's depend on the system (2.8 has Unicode 15), so the differences are listed here. They
// were found by comparing all code points and all canonical decompositions.

// Characters encoded after Unicode 9 that combine or compose: to the reference's NFC they are
// unassigned, so nothing is reordered or composed across them. Up to Unicode 18.
constexpr Range kNotNormalized[] = {
    {0x5c8, 0x5c9},     {0x7fd, 0x7fd},     {0x897, 0x8d3},     {0x9fe, 0x9fe},
    {0xc3c, 0xc3c},     {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x1715, 0x1715},
    {0x1abf, 0x1af0},   {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},   {0x105c9, 0x105e4},
    {0x10d24, 0x10d6d}, {0x10eab, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
    {0x11382, 0x113d0}, {0x1145e, 0x1145e}, {0x11839, 0x11a99}, {0x11d42, 0x11d97},
    {0x11f41, 0x11f42}, {0x1611e, 0x1612f}, {0x16d63, 0x16d6a}, {0x16ff0, 0x16ff1},
    {0x1d127, 0x1d128}, {0x1d250, 0x1d281}, {0x1e08f, 0x1e136}, {0x1e2ae, 0x1e2ef},
    {0x1e4ec, 0x1e6f5}};

// Letters and numbers of Unicode 15.1 and 16.
constexpr Range kNewLetters[] = {
    {0x1c89, 0x1c8a},   {0xa7cb, 0xa7cd},   {0xa7da, 0xa7dc},   {0x105c0, 0x105f3},
    {0x10d4a, 0x10d65}, {0x10d6f, 0x10d85}, {0x10ec2, 0x10ec4}, {0x11380, 0x11389},
    {0x1138b, 0x1138b}, {0x1138e, 0x1138e}, {0x11390, 0x113b5}, {0x113b7, 0x113b7},
    {0x113d1, 0x113d1}, {0x113d3, 0x113d3}, {0x11bc0, 0x11be0}, {0x13460, 0x143fa},
    {0x16100, 0x1611d}, {0x16d40, 0x16d6c}, {0x18cff, 0x18cff}, {0x1e5d0, 0x1e5ed},
    {0x1e5f0, 0x1e5f0}, {0x2ebf0, 0x2ee5d}};
constexpr Range kNewNumbers[] = {{0x10d40, 0x10d49}, {0x116d0, 0x116e3}, {0x11bf0, 0x11bf9},
                                 {0x16130, 0x16139}, {0x16d70, 0x16d79}, {0x1ccf0, 0x1ccf9},
                                 {0x1e5f1, 0x1e5fa}};

// Lower case of Unicode 16 and 17: [first, last] maps to itself + offset.
struct CaseRange {
  char32_t first, last;
  int32_t offset;
};
constexpr CaseRange kNewCase[] = {
    {0x1c89, 0x1c89, 1},      {0xa7cb, 0xa7cb, 0x264 - 0xa7cb},
    {0xa7cc, 0xa7cc, 1},      {0xa7ce, 0xa7ce, 1},
    {0xa7d2, 0xa7d2, 1},      {0xa7d4, 0xa7d4, 1},
    {0xa7da, 0xa7da, 1},      {0xa7dc, 0xa7dc, 0x19b - 0xa7dc},
    {0x10d50, 0x10d65, 0x20}, {0x16ea0, 0x16eb8, 0x1b},
};

int combining_class(int32_t c) {
  return utf8proc_get_property(c)->combining_class;
}

/// Canonical decomposition, reordering and composition of `text`, appended to `out`. Own
/// reordering, because utf8proc's is quadratic in the length of a run of marks.
void append_nfc(std::u32string_view text, std::u32string& out) {
  std::vector<int32_t> code_points;
  code_points.reserve(text.size());
  for (char32_t c : text) {
    int32_t parts[32];  // canonical decompositions have at most 4
    int boundary = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char(
        int32_t(c), parts, 32, utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), &boundary);
    code_points.insert(code_points.end(), parts, parts + std::clamp<utf8proc_ssize_t>(n, 0, 32));
  }
  for (auto from = code_points.begin(); from != code_points.end();) {
    const auto starter =
        std::find_if(from, code_points.end(), [](int32_t c) { return combining_class(c) == 0; });
    std::stable_sort(from, starter,
                     [](int32_t a, int32_t b) { return combining_class(a) < combining_class(b); });
    from = starter == code_points.end() ? starter : starter + 1;
  }
  const utf8proc_ssize_t length =
      utf8proc_normalize_utf32(code_points.data(), utf8proc_ssize_t(code_points.size()),
                               utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  out.append(code_points.begin(), code_points.begin() + length);
}

std::u32string nfc(std::u32string_view text) {
  std::u32string out;
  size_t from = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!contains(kNotNormalized, text[i])) continue;
    append_nfc(text.substr(from, i - from), out);
    out += text[i];
    from = i + 1;
  }
  append_nfc(text.substr(from), out);
  return out;
}

void append_lower(char32_t c, std::u32string& out) {
  if (c == 0x130) {  // the only character whose lower case is two
    out += U"i\u0307";
    return;
  }
  for (const CaseRange& r : kNewCase) {
    if (r.first <= c && c <= r.last) {
      out += char32_t(int32_t(c) + r.offset);
      return;
    }
  }
  out += char32_t(utf8proc_tolower(int32_t(c)));
}

/// Decodes one code point of `s` at `i` and moves `i` past it.
char32_t next_code_point(std::string_view s, size_t& i) {
  const uint8_t lead = uint8_t(s[i++]);
  if (lead < 0x80) return lead;
  const int n_more = lead >= 0xc2 && lead <= 0xdf   ? 1
                     : (lead & 0xf0) == 0xe0        ? 2
                     : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                    : 0;
  if (n_more == 0) return 0xfffd;
  // The second byte's range excludes overlong forms, surrogates and values past U+10FFFF.
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  char32_t c = lead & (0x3f >> n_more);
  for (int k = 0; k < n_more; ++k) {
    if (i == s.size()) return 0xfffd;
    const uint8_t byte = uint8_t(s[i]);
    if (byte < low || byte > high) return 0xfffd;
    c = c << 6 | (byte & 0x3f);
    ++i;
    low = 0x80;
    high = 0xbf;
  }
  return c;
}

}  // namespace

CharClass class_of(char32_t c) {
  if ((c >= 9 && c <= 13) || c == 0x85) return CharClass::kSpace;
  const utf8proc_category_t category = utf8proc_category(int32_t(c));
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
    return CharClass::kLetter;
  if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
    return CharClass::kNumber;
  if (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP)
    return CharClass::kSpace;
  if (contains(kNewLetters, c)) return CharClass::kLetter;
  if (contains(kNewNumbers, c)) return CharClass::kNumber;
  return CharClass::kOther;
}

bool is_word_char(char32_t c) {
  if (c == 0x200c || c == 0x200d) return true;  // joiners
  if (class_of(c) == CharClass::kLetter) return true;
  const utf8proc_category_t category = utf8proc_category(int32_t(c));
  return (category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_NL) ||
         category == UTF8PROC_CATEGORY_PC;
}

std::u32string from_utf8(std::string_view bytes) {
  std::u32string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) out += next_code_point(bytes, i);
  return out;
}

void append_utf8(char32_t c, std::string& out) {
  uint8_t bytes[4];
  const utf8proc_ssize_t n = utf8proc_encode_char(int32_t(c), bytes);
  out.append(bytes, bytes + n);
}

std::u32string normalize_prompt(std::u32string_view text) {
  std::u32string out;
  bool was_space = false;
  for (char32_t c : nfc(text)) {
    const bool is_space = class_of(c) == CharClass::kSpace;
    if (!is_space) append_lower(c, out);
    if (is_space && !was_space) out += U' ';
    was_space = is_space;
  }
  return out;
}

}  // namespace dedit

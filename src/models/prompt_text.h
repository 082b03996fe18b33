// Unicode side of the tokenizer: decoding, the reference's normalisation, character classes.
#pragma once

#include <string>
#include <string_view>

namespace dedit {

enum class CharClass { kSpace, kLetter, kNumber, kOther };

/// Class of the reference's pre-tokenizer pattern: \s, \p{L}, \p{N} of Unicode 16.
CharClass class_of(char32_t c);
/// True for the characters of a word (\w): letters, marks, digits, connectors and joiners.
bool is_word_char(char32_t c);

/// Never fails: each maximal ill-formed sequence becomes one U+FFFD (Unicode 3.9, best practice),
/// as Python's bytes.decode("utf-8", "replace").
std::u32string from_utf8(std::string_view bytes);
void append_utf8(char32_t c, std::string& out);

/// NFC, each run of white space as one space, then lower case character by character (no final
/// sigma rule), as the reference's normaliser.
std::u32string normalize_prompt(std::u32string_view text);

}  // namespace dedit

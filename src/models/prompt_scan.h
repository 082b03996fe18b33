// What the parsers of the prompt syntax share: characters around a byte position, numbers, words.
#pragma once

#include <optional>
#include <string_view>

namespace dedit {

/// Position of the next `word` that stands alone (no letter, digit or underscore beside it), or
/// npos.
size_t find_word(std::string_view text, std::string_view word, size_t from);
/// Without white space (Unicode's) at the ends.
std::string_view trim_left(std::string_view text);
std::string_view trim_right(std::string_view text);
/// The whole of `text` as digits with at most one point, a sign before them if any, and, where
/// `with_exponent`, an exponent. Nothing if it has another form.
std::optional<double> read_number(std::string_view text, bool with_exponent);

}  // namespace dedit

// Texts of PNG chunks: Latin-1 keywords and values, UTF-8 values.
#pragma once

#include <string>
#include <string_view>

namespace dedit {

std::string latin1_to_utf8(std::string_view text);

/// The reverse; "" if a character is not in Latin-1 or `text` is not UTF-8.
std::string utf8_to_latin1(std::string_view text);

/// By RFC 3629: no overlong forms, surrogates or code points past U+10FFFF.
bool is_utf8(std::string_view text);

/// 1 to 79 printable Latin-1 characters; no space first, last or twice (PNG specification, 11.3.4).
bool is_png_keyword(std::string_view latin1);

}  // namespace dedit

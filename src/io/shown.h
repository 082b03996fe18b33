// How names that come from files stand in messages.
#pragma once

#include <string>
#include <string_view>

namespace dedit {

/// The text without control characters, which could steer a terminal, and cut at 100 bytes.
inline std::string shown(std::string_view text) {
  constexpr size_t kMaxBytes = 100;
  std::string clean;
  for (const unsigned char c : text.substr(0, kMaxBytes)) {
    clean += c < 0x20 || c == 0x7f ? '?' : char(c);
  }
  return text.size() > kMaxBytes ? clean + "..." : clean;
}

/// The same in single quotes.
inline std::string in_quotes(std::string_view name) {
  return "'" + shown(name) + "'";
}

}  // namespace dedit

// Reading numbers out of bytes from outside, every access checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace dedit {

using Bytes = std::span<const std::byte>;

/// Whether [offset, offset + n) lies inside.
inline bool has_bytes(Bytes b, size_t offset, size_t n) {
  return offset <= b.size() && n <= b.size() - offset;
}

/// `n` <= 4 bytes at `offset` as a number; 0 if they are not there.
inline uint32_t read_be(Bytes b, size_t offset, size_t n) {
  if (!has_bytes(b, offset, n)) return 0;
  uint32_t v = 0;
  for (size_t i = 0; i < n; ++i) v = (v << 8) | uint32_t(b[offset + i]);
  return v;
}
inline uint32_t read_le(Bytes b, size_t offset, size_t n) {
  if (!has_bytes(b, offset, n)) return 0;
  uint32_t v = 0;
  for (size_t i = n; i-- > 0;) v = (v << 8) | uint32_t(b[offset + i]);
  return v;
}

inline bool has_text(Bytes b, size_t offset, std::string_view text) {
  return has_bytes(b, offset, text.size()) &&
         std::memcmp(b.data() + offset, text.data(), text.size()) == 0;
}

}  // namespace dedit

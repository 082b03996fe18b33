// Protobuf messages as bytes: fields one after the other, read with every length checked, and
// written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dedit::annotators {

using Bytes = std::string_view;

struct Damaged {};  ///< thrown where a message is not well formed

enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

/// One field of a protobuf message (protobuf.dev/programming-guides/encoding).
struct Field {
  uint64_t number = 0;
  uint64_t type = 0;
  uint64_t value = 0;  ///< of a varint
  Bytes bytes;         ///< of a message, a string, a packed list; or a fixed number's
  Bytes whole;         ///< with its tag
};

inline uint64_t take_varint(Bytes& rest) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest.empty()) throw Damaged();
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= uint64_t(byte & 127) << shift;
    if (byte < 128) return value;
  }
  throw Damaged();
}

inline Bytes take(Bytes& rest, uint64_t count) {
  if (count > rest.size()) throw Damaged();
  const Bytes taken = rest.substr(0, count);
  rest.remove_prefix(count);
  return taken;
}

inline Field take_field(Bytes& rest) {
  const Bytes start = rest;
  const uint64_t tag = take_varint(rest);
  Field field{.number = tag >> 3, .type = tag & 7, .value = 0, .bytes = {}, .whole = {}};
  switch (field.type) {
    case kVarint:
      field.value = take_varint(rest);
      break;
    case kFixed64:
      field.bytes = take(rest, 8);
      break;
    case kLength:
      field.bytes = take(rest, take_varint(rest));
      break;
    case kFixed32:
      field.bytes = take(rest, 4);
      break;
    default:
      throw Damaged();
  }
  if (field.number == 0) throw Damaged();
  field.whole = start.substr(0, start.size() - rest.size());
  return field;
}

template <class Visit>
void for_fields(Bytes message, const Visit& visit) {
  while (!message.empty()) visit(take_field(message));
}

/// The fields of that number within `message`.
inline std::vector<Bytes> parts(Bytes message, uint64_t number) {
  std::vector<Bytes> found;
  for_fields(message, [&](const Field& f) {
    if (f.number == number) found.push_back(f.bytes);
  });
  return found;
}

inline std::string name_of_value(Bytes value_info) {
  const std::vector<Bytes> names = parts(value_info, 1);
  return names.empty() ? std::string() : std::string(names.back());
}

inline std::string varint(uint64_t value) {
  std::string out;
  for (; value > 127; value >>= 7) out += char(value | 128);
  return out + char(value);
}

inline std::string length_field(uint64_t number, Bytes bytes) {
  return varint(number << 3 | kLength) + varint(bytes.size()) + std::string(bytes);
}

/// `message` with every part of that number replaced by change(part).
template <class Change>
std::string changed(Bytes message, uint64_t number, const Change& change) {
  std::string out;
  for_fields(message, [&](const Field& f) {
    if (f.number == number) {
      out += length_field(number, change(f.bytes));
    } else {
      out += f.whole;
    }
  });
  return out;
}

inline Bytes view(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace dedit::annotators

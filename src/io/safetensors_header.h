// The JSON header of a safetensors file, parsed and checked against the length of the data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dedit {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  ///< as in the file: "F16", "I64" ...
  std::vector<int64_t> shape;
  int64_t begin = 0;  ///< bytes from the start of the data
  int64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in the order of the data, without gaps or overlaps
  std::map<std::string, std::string> metadata;
};

/// Every entry's bytes fit its type and shape and lie within `data_bytes`, which they fill.
/// `path` stands in messages; `data_start` is the header's end in the file. Throws Error(kModel).
SafetensorsHeader parse_safetensors_header(std::string_view json, int64_t data_start,
                                           int64_t data_bytes, const std::string& path);

}  // namespace dedit

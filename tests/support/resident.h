// How much of a mapping is in this process's memory.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace dedit {

/// Bytes of the mapping around `p` that are in memory; 0 where there is none.
inline size_t resident_bytes(const void* p) {
  const auto at = reinterpret_cast<uintptr_t>(p);
  std::ifstream maps("/proc/self/smaps");
  bool is_it = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t first = 0, end = 0;
    char dash = 0;
    std::istringstream words(line);
    if (words >> std::hex >> first >> dash >> end && dash == '-') {
      is_it = first <= at && at < end;
    } else if (is_it && line.starts_with("Rss:")) {
      return std::stoull(line.substr(4)) << 10;
    }
  }
  return 0;
}

}  // namespace dedit

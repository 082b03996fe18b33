// Whole files as bytes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace dedit {

/// A picture's or mask's file; `-` is standard input. Throws Error(kInput) if it cannot be read or
/// is over 4 GiB.
std::vector<std::byte> read_bytes(const std::string& path);

}  // namespace dedit

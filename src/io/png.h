// PNG through libpng: every colour type and depth, profile and text, in both directions.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "dedit/image.h"

namespace dedit {

bool is_png(std::span<const std::byte> bytes);

/// 8 bit (1, 2, 4 bit and palettes expanded) or 16 bit; tRNS becomes alpha; gAMA is ignored, as
/// every editor does; an eXIf orientation is applied. Of two texts with one keyword the first
/// stays. Throws Error(kInput) naming `name` if the file is truncated or damaged (all checksums are
/// checked) or larger than Image::kMaxSide.
Image decode_png(std::span<const std::byte> bytes, const std::string& name);

}  // namespace dedit

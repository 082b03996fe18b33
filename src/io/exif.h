// EXIF: the one thing we need from it, which way is up. EXIF is a TIFF file in a chunk; the same
// reader serves TIFF pictures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dedit/image.h"

namespace dedit {

/// One tag of a TIFF directory: its first value if it is a whole number, and where its bytes lie.
struct TiffTag {
  uint32_t value = 0;
  std::span<const std::byte> bytes;
};

/// Tag `id` of the first directory of a TIFF file (either byte order; an "Exif\0\0" prefix is
/// skipped). Empty if it is absent or anything on the way to it lies outside `tiff`.
std::optional<TiffTag> find_tiff_tag(std::span<const std::byte> tiff, uint16_t id);

constexpr uint16_t kTiffWidth = 256;
constexpr uint16_t kTiffHeight = 257;
constexpr uint16_t kTiffOrientation = 274;
constexpr uint16_t kTiffSamplesPerPixel = 277;
constexpr uint16_t kTiffExtraSamples = 338;
constexpr uint16_t kTiffIcc = 34675;

/// 1..8 as EXIF defines them; 1 (upright) if absent or out of range.
int exif_orientation(std::span<const std::byte> exif);

/// The picture upright: `orientation` 1..8 says how it is stored. Profile and text are kept.
Image apply_orientation(Image image, int orientation);

}  // namespace dedit

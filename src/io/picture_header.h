// What a picture file says about itself before any pixel is decoded: format, size, orientation,
// profile. Read by us, so that sizes are known before memory is asked for, truncation is noticed
// where the decoder would fill in grey, and orientation and profile are not lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dedit {

enum class PictureFormat { kPng, kJpeg, kWebp, kTiff, kBmp, kPnm };

struct PictureHeader {
  PictureFormat format = PictureFormat::kPng;
  int64_t width = 0;
  int64_t height = 0;
  int orientation = 1;        ///< EXIF's 1..8; stays 1 for TIFF, whose decoder applies it
  std::vector<uint8_t> icc;   ///< empty if none or incomplete
  uint32_t pnm_max = 0;       ///< PNM: the value that is white; 1 for bitmaps
  bool pnm_is_plain = false;  ///< PNM: samples written as decimal numbers
};

/// Throws Error(kInput) naming `name` if the bytes are of no known format, end before the header or
/// (JPEG, WebP, BMP, PNM) before the pixels do, or state a side of 0 or over Image::kMaxSide. PNG
/// is only recognised: its reader checks the rest.
PictureHeader read_picture_header(std::span<const std::byte> bytes, const std::string& name);

}  // namespace dedit

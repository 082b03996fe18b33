// Picture files made byte by byte, as a second implementation of what src/io reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dedit/image.h"

namespace dedit::testing {

inline std::span<const std::byte> as_bytes(std::string_view s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}
inline std::string as_string(std::span<const std::byte> b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

/// `n_bytes` of `v`, most (be) or least (le) significant first.
std::string be(uint32_t v, int n_bytes);
std::string le(uint32_t v, int n_bytes);

/// A picture of reproducible noise.
Image noise(int width, int height, int channels, PixelType type, uint32_t seed = 1);

struct PngChunk {
  std::string type;
  std::string data;
};

struct PngFile {
  int width = 0;
  int height = 0;
  int depth = 8;
  int colour = 2;  ///< PNG colour type: 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA
  bool interlaced = false;
  std::vector<uint16_t> samples;        ///< [height, width, channels]
  std::vector<PngChunk> before_pixels;  ///< PLTE, tRNS, texts ...
  std::vector<PngChunk> after_pixels;

  int channels() const { return colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1; }
  std::string bytes() const;
};

std::string png_chunk(const PngChunk& chunk);
std::string zlib_compressed(std::string_view raw);

/// The smallest profile that libpng takes, `space` "RGB " or "GRAY", filled up to `n_bytes`.
std::string icc_profile(std::string_view space, size_t n_bytes = 132);

/// An EXIF block (a TIFF file with one tag), little or big endian.
std::string exif_block(int orientation, bool big_endian = false);

/// Uncompressed one-strip TIFF. `extra_samples`: what alpha is, 1 multiplied in, 2 straight.
std::string tiff_file(const Image& image, int orientation, std::string_view icc = {},
                      int extra_samples = 2);

/// `jpeg` with segments (marker and body) inserted after the start-of-image marker.
struct JpegSegment {
  uint8_t marker = 0;
  std::string body;
};
std::string with_segments(std::string_view jpeg, const std::vector<JpegSegment>& segments);

/// A simple WebP file turned into an extended one with the chunks given.
std::string with_webp_chunks(std::string_view webp, int width, int height,
                             const std::vector<PngChunk>& chunks);

}  // namespace dedit::testing

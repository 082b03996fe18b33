// Pictures as plain values, and reading and writing them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace dedit {

enum class PixelType { kU8, kU16, kF32 };

/// Bytes of one sample.
constexpr size_t bytes_per_sample(PixelType type) {
  return type == PixelType::kU8 ? 1 : type == PixelType::kU16 ? 2 : 4;
}

/// An owning picture: rows from the top, interleaved channels, no padding.
/// Channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA (alpha straight). f32 samples are in [0, 1].
struct Image {
  int width = 0;
  int height = 0;
  int channels = 0;
  PixelType type = PixelType::kU8;
  std::vector<std::byte> data;              ///< height * width * channels samples
  std::vector<uint8_t> icc;                 ///< colour profile, empty if none
  std::map<std::string, std::string> text;  ///< PNG text chunks, UTF-8

  Image() = default;
  /// A zero-filled picture. Throws Error(kUsage) for sizes < 1 or over kMaxSide.
  Image(int width, int height, int channels, PixelType type = PixelType::kU8);

  static constexpr int kMaxSide = 16384;

  bool empty() const { return width == 0; }
  bool has_alpha() const { return channels == 2 || channels == 4; }
  size_t row_bytes() const { return size_t(width) * channels * bytes_per_sample(type); }

  template <class T>
  T* row(int y) {
    return reinterpret_cast<T*>(data.data() + size_t(y) * row_bytes());
  }
  template <class T>
  const T* row(int y) const {
    return reinterpret_cast<const T*>(data.data() + size_t(y) * row_bytes());
  }
};

/// Reads a picture by its content (PNG, JPEG, WebP, TIFF, BMP, PNM), `-` is standard input. EXIF
/// orientation is applied; 8 and 16 bit, grey, alpha, ICC profile and PNG text are kept.
/// Throws Error(kInput) naming the file if it is missing, truncated or not a picture.
Image load_image(const std::string& path);

/// The same from bytes; `name` stands in messages.
Image decode_image(std::span<const std::byte> bytes, const std::string& name);

/// PNG bytes, with the picture's ICC profile and text. `compression` is zlib's 0..9.
std::vector<std::byte> encode_png(const Image& image, int compression = 6);

/// Whether `save_image` would choose a lossy format for this path (by its extension).
bool is_lossy_format(const std::string& path);

struct SaveOptions {
  bool no_clobber = false;  ///< throws Error(kOutput) if the file exists
};

/// Writes a picture in the format of the extension (`.png` `.jpg` `.webp` `.tif` `.bmp` `.ppm`);
/// `-` is PNG on standard output. A file appears whole or not at all (temporary name, then rename).
/// Throws Error(kOutput) if it cannot be written, Error(kUsage) for an unknown extension.
void save_image(const Image& image, const std::string& path, const SaveOptions& options = {});

/// SHA-256 in hex over size, type and samples: equal pictures have equal hashes in any file format.
std::string pixel_hash(const Image& image);

}  // namespace dedit

#include "io/exif.h"

#include <algorithm>
#include <array>
#include <utility>

#include "io/bytes.h"

namespace dedit {
namespace {

using std::string_view_literals::operator""sv;

uint64_t bytes_of_tiff_type(uint32_t type) {
  constexpr std::array<uint8_t, 14> kBytes = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};
  return type < kBytes.size() ? kBytes[type] : 0;
}

}  // namespace

std::optional<TiffTag> find_tiff_tag(Bytes tiff, uint16_t id) {
  if (has_text(tiff, 0, "Exif\0\0"sv)) tiff = tiff.subspan(6);
  const bool is_little = has_text(tiff, 0, "II*\0"sv);
  if (!is_little && !has_text(tiff, 0, "MM\0*"sv)) return {};
  const auto read = [&](size_t offset, size_t n) {
    return is_little ? read_le(tiff, offset, n) : read_be(tiff, offset, n);
  };
  const size_t directory = read(4, 4);
  const size_t n_entries = read(directory, 2);
  for (size_t i = 0; i < n_entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (!has_bytes(tiff, entry, 12)) return {};
    if (read(entry, 2) != id) continue;
    const uint32_t type = read(entry + 2, 2);
    const uint64_t n_bytes = bytes_of_tiff_type(type) * read(entry + 4, 4);
    const size_t at = n_bytes <= 4 ? entry + 8 : read(entry + 8, 4);
    if (n_bytes == 0 || n_bytes > tiff.size() || !has_bytes(tiff, at, size_t(n_bytes))) return {};
    const size_t value_bytes = type == 3 ? 2 : type == 4 ? 4 : 1;
    return TiffTag{.value = read(at, value_bytes), .bytes = tiff.subspan(at, size_t(n_bytes))};
  }
  return {};
}

int exif_orientation(Bytes exif) {
  const auto tag = find_tiff_tag(exif, kTiffOrientation);
  return tag && tag->value >= 1 && tag->value <= 8 ? int(tag->value) : 1;
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swaps = orientation >= 5;
  // Where upright pixel (x, y) is stored: (x, y), or (y, x) if `swaps`, then mirrored.
  const bool mirrors_x =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirrors_y =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out(swaps ? image.height : image.width, swaps ? image.width : image.height, image.channels,
            image.type);
  const size_t pixel = size_t(image.channels) * bytes_per_sample(image.type);
  for (int y = 0; y < out.height; ++y) {
    std::byte* dst = out.row<std::byte>(y);
    for (int x = 0; x < out.width; ++x, dst += pixel) {
      int sx = swaps ? y : x;
      int sy = swaps ? x : y;
      if (mirrors_x) sx = image.width - 1 - sx;
      if (mirrors_y) sy = image.height - 1 - sy;
      std::copy_n(image.row<std::byte>(sy) + size_t(sx) * pixel, pixel, dst);
    }
  }
  out.icc = std::move(image.icc);
  out.text = std::move(image.text);
  return out;
}

}  // namespace dedit

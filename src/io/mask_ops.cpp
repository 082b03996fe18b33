#include <algorithm>
#include <cstring>

#include "core/str.h"
#include "io/image_ops.h"

#include "dedit/error.h"

namespace dedit {
namespace {

void check_mask8(const Image& mask) {
  if (mask.channels != 1 || mask.type != PixelType::kU8) {
    throw Error(ErrorKind::kUsage, "a mask at this stage is grey with 8 bit");
  }
}

void check_same_size(const Image& picture, const Image& other, const char* what) {
  if (other.width == picture.width && other.height == picture.height) return;
  throw Error(ErrorKind::kUsage, str(what, " is ", other.width, "x", other.height,
                                     ", the picture is ", picture.width, "x", picture.height));
}

/// One colour sample: (s * ws + g * wg) / (ws + wg), integers rounded to nearest.
template <class T>
T blend(T s, T g, uint64_t ws, uint64_t wg) {
  const uint64_t sum = ws + wg;
  return T((uint64_t(s) * ws + uint64_t(g) * wg + sum / 2) / sum);
}

/// Writes the pixels of one row that the mask touches; `row` holds the source's already. `g` is RGB
/// at the source's depth.
template <class T>
void blend_row(const T* g, const uint8_t* mask, int width, int channels, T* row) {
  constexpr uint64_t kMax = T(-1);
  const bool has_alpha = channels == 2 || channels == 4;
  const int colours = has_alpha ? channels - 1 : channels;
  for (int x = 0; x < width; ++x, g += 3, row += channels) {
    const uint64_t m = mask[x];
    if (m == 0) continue;
    const uint64_t alpha = has_alpha ? row[colours] : kMax;
    const uint64_t ws = alpha * (255 - m);
    const uint64_t wg = kMax * m;
    if (colours == 1) {
      row[0] = blend(row[0], T(luma601(g[0], g[1], g[2])), ws, wg);
    } else {
      for (int c = 0; c < 3; ++c) row[c] = blend(row[c], g[c], ws, wg);
    }
    if (has_alpha) row[colours] = blend(T(alpha), T(kMax), 255 - m, m);
  }
}

void blend_row(const float* g, const uint8_t* mask, int width, int channels, float* row) {
  const bool has_alpha = channels == 2 || channels == 4;
  const int colours = has_alpha ? channels - 1 : channels;
  for (int x = 0; x < width; ++x, g += 3, row += channels) {
    if (mask[x] == 0) continue;
    const float m = float(mask[x]) / 255.0f;
    const float alpha = has_alpha ? row[colours] : 1.0f;
    const float share = m / (alpha * (1 - m) + m);  // of the generated colour; 1 where m is 1
    for (int c = 0; c < colours; ++c) {
      const float v = colours == 1 ? 0.299f * g[0] + 0.587f * g[1] + 0.114f * g[2] : g[c];
      row[c] = share == 1 ? v : row[c] + (v - row[c]) * share;
    }
    if (has_alpha) row[colours] = mask[x] == 255 ? 1.0f : alpha + (1 - alpha) * m;
  }
}

template <class T>
void blend_all(const Image& generated, const Image& mask, Image& out) {
  for (int y = 0; y < out.height; ++y) {
    blend_row(generated.row<T>(y), mask.row<uint8_t>(y), out.width, out.channels, out.row<T>(y));
  }
}

}  // namespace

Image to_mask8(const Image& mask) {
  if (mask.type != PixelType::kU8) return to_mask8(to_depth(mask, PixelType::kU8));
  Image out(mask.width, mask.height, 1);
  const bool is_colour = mask.channels >= 3;
  for (int y = 0; y < mask.height; ++y) {
    const uint8_t* src = mask.row<uint8_t>(y);
    uint8_t* dst = out.row<uint8_t>(y);
    for (int x = 0; x < mask.width; ++x, src += mask.channels) {
      const uint32_t luma = is_colour ? luma601(src[0], src[1], src[2]) : src[0];
      const uint32_t alpha = mask.has_alpha() ? src[mask.channels - 1] : 255;
      dst[x] = uint8_t((luma * alpha + 127) / 255);
    }
  }
  return out;
}

double coverage(const Image& mask8) {
  check_mask8(mask8);
  const auto n = std::count(mask8.data.begin(), mask8.data.end(), std::byte{0});
  return 1 - double(n) / double(mask8.data.size());
}

std::vector<uint8_t> latent_mask(const Image& mask8, int padded_w, int padded_h, int factor,
                                 MaskRule rule) {
  check_mask8(mask8);
  if (factor < 1 || padded_w % factor != 0 || padded_h % factor != 0) {
    throw Error(ErrorKind::kUsage,
                str("padded size ", padded_w, "x", padded_h, " is not a multiple of ", factor));
  }
  const int cells_w = padded_w / factor;
  const int cells_h = padded_h / factor;
  std::vector<uint8_t> cells(size_t(cells_w) * size_t(cells_h));
  const auto value = [&](int x, int y) {
    return mask8.row<uint8_t>(std::min(y, mask8.height - 1))[std::min(x, mask8.width - 1)];
  };
  const auto is_touched = [&](int x0, int y0) {
    for (int y = y0; y < y0 + factor; ++y) {
      for (int x = x0; x < x0 + factor; ++x) {
        if (value(x, y) > 0) return true;
      }
    }
    return false;
  };
  for (int j = 0; j < cells_h; ++j) {
    for (int i = 0; i < cells_w; ++i) {
      const int x = i * factor;
      const int y = j * factor;
      const bool repaint = rule == MaskRule::kCover ? is_touched(x, y) : value(x, y) >= 128;
      cells[size_t(j) * size_t(cells_w) + size_t(i)] = repaint ? 1 : 0;
    }
  }
  return cells;
}

Image composite(const Image& source, const Image& generated, const Image& mask8) {
  check_mask8(mask8);
  check_same_size(source, mask8, "the mask");
  check_same_size(source, generated, "the generated picture");
  if (generated.channels != 3) {
    throw Error(ErrorKind::kUsage,
                str("the generated picture has ", generated.channels, " channels, not 3"));
  }
  Image out = source;
  out.text.clear();
  const Image fitted = to_depth(generated, source.type);
  switch (source.type) {
    case PixelType::kU8:
      blend_all<uint8_t>(fitted, mask8, out);
      break;
    case PixelType::kU16:
      blend_all<uint16_t>(fitted, mask8, out);
      break;
    case PixelType::kF32:
      blend_all<float>(fitted, mask8, out);
      break;
  }
  return out;
}

int64_t count_kept_and_verify(const Image& source, const Image& result, const Image& mask8) {
  check_mask8(mask8);
  check_same_size(source, mask8, "the mask");
  if (result.width != source.width || result.height != source.height ||
      result.channels != source.channels || result.type != source.type) {
    throw Error(ErrorKind::kVerification,
                "the result differs from the source in size, depth or channels");
  }
  const size_t pixel_bytes = size_t(source.channels) * bytes_per_sample(source.type);
  int64_t n_kept = 0;
  int64_t n_changed = 0;
  for (int y = 0; y < source.height; ++y) {
    const std::byte* a = source.row<std::byte>(y);
    const std::byte* b = result.row<std::byte>(y);
    const uint8_t* mask = mask8.row<uint8_t>(y);
    for (int x = 0; x < source.width; ++x, a += pixel_bytes, b += pixel_bytes) {
      if (mask[x] != 0) continue;
      ++n_kept;
      if (std::memcmp(a, b, pixel_bytes) != 0) ++n_changed;
    }
  }
  if (n_changed > 0) {
    throw Error(ErrorKind::kVerification,
                str(n_changed, " of ", n_kept, " kept pixels differ from the source"));
  }
  return n_kept;
}

}  // namespace dedit

#include "core/rgb8.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dedit {
namespace {

// HWC3: rgb * a + 255 * (1 - a) in f32, cast by truncation.
uint8_t over_white(uint8_t v, uint8_t alpha) {
  const float a = float(alpha) / 255.0f;
  const float y = float(v) * a + 255.0f * (1.0f - a);
  return uint8_t(std::clamp(y, 0.0f, 255.0f));
}

bool is_grey_profile(const std::vector<uint8_t>& icc) {
  return icc.size() >= 20 && std::equal(icc.begin() + 16, icc.begin() + 20, "GRAY");
}

template <class From, class To, class Fn>
void convert(const Image& in, Image& out, Fn fn) {
  const auto* src = reinterpret_cast<const From*>(in.data.data());
  auto* dst = reinterpret_cast<To*>(out.data.data());
  const size_t n = size_t(in.width) * size_t(in.height) * size_t(in.channels);
  for (size_t i = 0; i < n; ++i) dst[i] = fn(src[i]);
}

}  // namespace

uint8_t unit_to_8(float v) {
  return v > 0 ? uint8_t(std::nearbyint(std::min(v, 1.0f) * 255.0f)) : uint8_t{0};
}

uint16_t unit_to_16(float v) {
  return v > 0 ? uint16_t(std::nearbyint(std::min(v, 1.0f) * 65535.0f)) : uint16_t{0};
}

Image to_depth(const Image& image, PixelType type) {
  if (image.type == type) return image;
  Image out(image.width, image.height, image.channels, type);
  out.icc = image.icc;
  out.text = image.text;
  const auto from = image.type;
  if (from == PixelType::kU16 && type == PixelType::kU8) {
    convert<uint16_t, uint8_t>(image, out, narrow_to_8);
  } else if (from == PixelType::kF32 && type == PixelType::kU8) {
    convert<float, uint8_t>(image, out, unit_to_8);
  } else if (from == PixelType::kU8 && type == PixelType::kU16) {
    convert<uint8_t, uint16_t>(image, out, [](uint8_t v) { return uint16_t(v * 257); });
  } else if (from == PixelType::kF32 && type == PixelType::kU16) {
    convert<float, uint16_t>(image, out, unit_to_16);
  } else if (from == PixelType::kU8) {
    convert<uint8_t, float>(image, out, [](uint8_t v) { return float(v) / 255.0f; });
  } else {
    convert<uint16_t, float>(image, out, [](uint16_t v) { return float(v) / 65535.0f; });
  }
  return out;
}

Image to_rgb8(const Image& image) {
  if (image.type != PixelType::kU8) return to_rgb8(to_depth(image, PixelType::kU8));
  if (image.channels == 3) return image;
  Image out(image.width, image.height, 3);
  out.text = image.text;
  if (!is_grey_profile(image.icc)) out.icc = image.icc;
  const int green = image.channels == 4 ? 1 : 0;
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* src = image.row<uint8_t>(y);
    uint8_t* dst = out.row<uint8_t>(y);
    for (int x = 0; x < image.width; ++x, src += image.channels, dst += 3) {
      const uint8_t alpha = image.has_alpha() ? src[image.channels - 1] : uint8_t{255};
      for (int c = 0; c < 3; ++c) dst[c] = over_white(src[c * green], alpha);
    }
  }
  return out;
}

Image to_rgb8(Image&& image) {
  if (image.type == PixelType::kU8 && image.channels == 3) return std::move(image);
  return to_rgb8(std::as_const(image));
}

}  // namespace dedit

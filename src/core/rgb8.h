// The one rule by which any picture becomes 8-bit RGB (annotators, hints, encoders share it).
#pragma once

#include <cstdint>

#include "dedit/image.h"

namespace dedit {

/// 16 to 8 bit, rounded to nearest (65535 = 255 * 257; there are no ties).
constexpr uint8_t narrow_to_8(uint16_t v) {
  return uint8_t((v + 128u) / 257u);
}
/// [0, 1] to 0..255 or 0..65535, clamped, rounded half to even. NaN gives 0.
uint8_t unit_to_8(float v);
uint16_t unit_to_16(float v);

/// Rec. 601 luma of samples in any common scale, rounded to nearest; white stays white.
constexpr uint32_t luma601(uint32_t r, uint32_t g, uint32_t b) {
  return (299 * r + 587 * g + 114 * b + 500) / 1000;
}

/// The same samples at another depth: 16 to 8 bit rounds, 8 to 16 multiplies by 257. Channels,
/// profile and text are kept.
Image to_depth(const Image& image, PixelType type);

/// 8-bit RGB. More bits are rounded to nearest first, grey is repeated, alpha is composited over
/// white in f32 with truncation, as HWC3 of the ControlNet annotators does
/// (github.com/lllyasviel/ControlNet, annotator/util.py). Profile and text are kept, except for a
/// grey profile, which does not fit RGB.
Image to_rgb8(const Image& image);
/// The same; a picture that is 8-bit RGB already is moved.
Image to_rgb8(Image&& image);

}  // namespace dedit

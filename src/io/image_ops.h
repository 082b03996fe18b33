// Between pictures and networks: planar f32, sizes, masks, compositing. OpenCV stays inside.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/rgb8.h"

#include "dedit/image.h"
#include "dedit/request.h"

namespace dedit {

// --- pictures <-> planes -------------------------------------------------------------------------

/// NCHW planes [3, padded_h, padded_w] in [-1, 1]: 2 * (v / max) - 1 in f32, as the reference.
/// 8-bit pictures go through to_rgb8; 16-bit and f32 ones keep their precision (alpha over white
/// without truncation). Columns and rows past the picture repeat its last ones.
/// Throws Error(kUsage) if the padded size is smaller than the picture.
std::vector<float> to_planar_signed(const Image& image, int padded_w, int padded_h);

/// The same in [0, 1], for hints.
std::vector<float> to_planar_unit(const Image& image, int padded_w, int padded_h);

/// A picture of the top-left w x h of planes [channels, padded_h, padded_w] in [-1, 1], channels
/// 1 or 3: (x * 0.5 + 0.5) clamped to [0, 1], times 255 (65535), rounded half to even; f32 stays
/// unrounded. Infinities clamp. Throws Error(kModel) if a value is NaN: only weights (or arithmetic
/// too coarse for them) make one, and a picture from it would be black without a word.
Image from_planar_signed(const float* nchw, int channels, int padded_h, int padded_w, int w, int h,
                         PixelType type = PixelType::kU8);

// --- sizes ---------------------------------------------------------------------------------------

/// Area average if the new area is smaller, else cubic; alpha weighs the colours. Type, channels
/// and profile are kept, text is not.
Image resize(const Image& image, int width, int height);

// --- masks (white = repaint) ---------------------------------------------------------------------

/// Grey 8 bit: Rec. 601 luma, rounded. Alpha is composited over black: nothing painted there, so
/// transparent pixels are kept.
Image to_mask8(const Image& mask);

/// Share of pixels that are not 0, in [0, 1]. `mask8` is grey 8 bit.
double coverage(const Image& mask8);

/// Cells [padded_h / factor, padded_w / factor] of 0 (keep) or 1 (repaint). kCover: any pixel of
/// the cell is not 0; kNearest: its top-left pixel is >= 128, the reference's nearest
/// interpolation. Beyond the mask its last row and column go on.
std::vector<uint8_t> latent_mask(const Image& mask8, int padded_w, int padded_h, int factor,
                                 MaskRule rule);

// --- compositing ---------------------------------------------------------------------------------

/// `generated` (RGB of any type) into `source` by mask8 / 255; all of one size, else Error(kUsage).
/// The result has the source's depth, channels and profile, no text.
/// - mask 0: every byte is the source's.
/// - mask 255: the generated colour at the source's depth (x257 from 8 to 16 bit), its Rec. 601
/// luma
///   for a grey source, opaque.
/// - between: linear; with alpha, colours are weighed by it, so that colour hidden under
///   transparency does not bleed in, and alpha goes linearly to opaque.
Image composite(const Image& source, const Image& generated, const Image& mask8);

/// Number of pixels with mask 0. Throws Error(kVerification) if one of them differs between
/// `source` and `result` in any byte, or if the pictures differ in size, type or channels.
int64_t count_kept_and_verify(const Image& source, const Image& result, const Image& mask8);

}  // namespace dedit

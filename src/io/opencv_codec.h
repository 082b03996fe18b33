// Picture formats other than PNG, through OpenCV.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "io/picture_header.h"

#include "dedit/image.h"

namespace dedit {

/// `header` is what read_picture_header found in `bytes`. Throws Error(kInput).
Image decode_with_opencv(std::span<const std::byte> bytes, const PictureHeader& header,
                         const std::string& name);

/// `extension` in lower case with its dot, one of opencv_extensions(). What the format cannot hold
/// is converted: f32 to 16 bit (but TIFF), 16 bit to 8 (but TIFF and PPM; rounded), alpha
/// composited over white (but TIFF and WebP), grey + alpha to RGBA. JPEG has quality 95 and keeps
/// the profile; WebP is lossless.
std::vector<std::byte> encode_with_opencv(const Image& image, const std::string& extension);

/// ".jpg", ".jpeg" and so on.
std::span<const char* const> opencv_extensions();

}  // namespace dedit

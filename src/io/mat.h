// OpenCV's view of a picture: shares its memory, converts nothing (channels stay RGB).
#pragma once

#include <opencv2/core.hpp>

#include "dedit/image.h"

namespace dedit {

inline int mat_type(const Image& image) {
  const int depth = image.type == PixelType::kU8    ? CV_8U
                    : image.type == PixelType::kU16 ? CV_16U
                                                    : CV_32F;
  return CV_MAKETYPE(depth, image.channels);
}

/// Valid as long as `image` lives and is not moved from.
inline cv::Mat mat_of(Image& image) {
  return cv::Mat(image.height, image.width, mat_type(image), image.data.data());
}

/// To be read only: OpenCV has no constant matrices.
inline cv::Mat mat_of(const Image& image) {
  return mat_of(const_cast<Image&>(image));
}

}  // namespace dedit

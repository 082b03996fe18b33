#include "io/image_ops.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "core/str.h"
#include "io/mat.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// One row as RGB in [0, 1], alpha over white.
template <class T>
void unit_row(const T* src, const Image& image, float max, float* rgb) {
  const int channels = image.channels;
  const int green = channels >= 3 ? 1 : 0;
  for (int x = 0; x < image.width; ++x, src += channels, rgb += 3) {
    for (int c = 0; c < 3; ++c) rgb[c] = float(src[c * green]) / max;
    if (!image.has_alpha()) continue;
    const float alpha = float(src[channels - 1]) / max;
    for (int c = 0; c < 3; ++c) rgb[c] = rgb[c] * alpha + (1.0f - alpha);
  }
}

void unit_row(const Image& image, int y, float* rgb) {
  switch (image.type) {
    case PixelType::kU8:
      return unit_row(image.row<uint8_t>(y), image, 255.0f, rgb);
    case PixelType::kU16:
      return unit_row(image.row<uint16_t>(y), image, 65535.0f, rgb);
    case PixelType::kF32:
      return unit_row(image.row<float>(y), image, 1.0f, rgb);
  }
}

std::vector<float> to_planar(const Image& image, int padded_w, int padded_h, bool is_signed) {
  if (padded_w < image.width || padded_h < image.height) {
    throw Error(ErrorKind::kUsage,
                str("padded size ", padded_w, "x", padded_h, " is smaller than the picture's ",
                    image.width, "x", image.height));
  }
  // HWC3's truncation belongs to 8-bit alpha only.
  if (image.type == PixelType::kU8 && image.has_alpha()) {
    return to_planar(to_rgb8(image), padded_w, padded_h, is_signed);
  }
  const size_t plane = size_t(padded_w) * size_t(padded_h);
  std::vector<float> out(3 * plane);
  std::vector<float> rgb(size_t(image.width) * 3);
  for (int y = 0; y < padded_h; ++y) {
    if (y < image.height) unit_row(image, y, rgb.data());
    for (size_t c = 0; c < 3; ++c) {
      float* dst = out.data() + c * plane + size_t(y) * size_t(padded_w);
      for (int x = 0; x < padded_w; ++x) {
        const float v = rgb[size_t(std::min(x, image.width - 1)) * 3 + c];
        dst[x] = is_signed ? 2.0f * v - 1.0f : v;
      }
    }
  }
  return out;
}

float clamped_unit(float x) {
  if (std::isnan(x)) {
    throw Error(ErrorKind::kModel, "the model produced NaN",
                "try --precision exact; if it stays, the weights are damaged");
  }
  return std::clamp(x * 0.5f + 0.5f, 0.0f, 1.0f);
}

/// Alpha as a factor on the colours of an f32 picture, or taken out again.
void weigh_by_alpha(Image& image, bool undo) {
  const int colours = image.channels - 1;
  for (int y = 0; y < image.height; ++y) {
    float* p = image.row<float>(y);
    for (int x = 0; x < image.width; ++x, p += image.channels) {
      const float alpha = p[colours];
      const float factor = !undo ? alpha : alpha > 0 ? 1 / alpha : 0;
      for (int c = 0; c < colours; ++c) p[c] *= factor;
    }
  }
}

Image resized(const Image& image, int width, int height, int interpolation) {
  Image out(width, height, image.channels, image.type);
  out.icc = image.icc;
  cv::Mat dst = mat_of(out);
  cv::resize(mat_of(image), dst, dst.size(), 0, 0, interpolation);
  return out;
}

void clamp_unit(Image& image) {  // cubic overshoots
  const cv::Mat m = mat_of(image).reshape(1);
  cv::min(cv::max(m, 0.0), 1.0, m);
}

}  // namespace

std::vector<float> to_planar_signed(const Image& image, int padded_w, int padded_h) {
  return to_planar(image, padded_w, padded_h, /*is_signed=*/true);
}

std::vector<float> to_planar_unit(const Image& image, int padded_w, int padded_h) {
  return to_planar(image, padded_w, padded_h, /*is_signed=*/false);
}

Image from_planar_signed(const float* nchw, int channels, int padded_h, int padded_w, int w, int h,
                         PixelType type) {
  if (w > padded_w || h > padded_h || (channels != 1 && channels != 3)) {
    throw Error(ErrorKind::kUsage, str("cannot cut ", w, "x", h, " out of ", channels,
                                       " planes of ", padded_w, "x", padded_h));
  }
  Image out(w, h, channels, type);
  const size_t plane = size_t(padded_w) * size_t(padded_h);
  for (int y = 0; y < h; ++y) {
    for (int c = 0; c < channels; ++c) {
      const float* src = nchw + size_t(c) * plane + size_t(y) * size_t(padded_w);
      for (int x = 0; x < w; ++x) {
        const float v = clamped_unit(src[x]);
        const size_t i = size_t(x) * size_t(channels) + size_t(c);
        switch (type) {
          case PixelType::kU8:
            out.row<uint8_t>(y)[i] = unit_to_8(v);
            break;
          case PixelType::kU16:
            out.row<uint16_t>(y)[i] = unit_to_16(v);
            break;
          case PixelType::kF32:
            out.row<float>(y)[i] = v;
            break;
        }
      }
    }
  }
  return out;
}

Image resize(const Image& image, int width, int height) {
  if (width == image.width && height == image.height) {
    Image same = image;
    same.text.clear();
    return same;
  }
  const bool is_smaller = int64_t(width) * height < int64_t(image.width) * image.height;
  const int interpolation = is_smaller ? cv::INTER_AREA : cv::INTER_CUBIC;
  if (!image.has_alpha()) {
    Image out = resized(image, width, height, interpolation);
    if (out.type == PixelType::kF32) clamp_unit(out);
    return out;
  }
  Image weighed = to_depth(image, PixelType::kF32);
  weigh_by_alpha(weighed, /*undo=*/false);
  Image out = resized(weighed, width, height, interpolation);
  weigh_by_alpha(out, /*undo=*/true);
  clamp_unit(out);
  return to_depth(out, image.type);
}

}  // namespace dedit

// What annotators share: OpenCV's view of 8-bit RGB, and maps from OpenCV's results.
#pragma once

#include <algorithm>

#include <opencv2/imgproc.hpp>

#include "annotators/annotator.h"
#include "core/parallel.h"
#include "core/rgb8.h"

namespace dedit::annotators {

/// A picture as 8-bit RGB: itself where it is that already, else a copy.
class Rgb8 {
 public:
  explicit Rgb8(const Image& image)
      : copy_(image.channels == 3 && image.type == PixelType::kU8 ? Image() : to_rgb8(image)),
        image_(copy_.empty() ? image : copy_) {}
  Rgb8(const Rgb8&) = delete;
  Rgb8& operator=(const Rgb8&) = delete;

  const Image& operator*() const { return image_; }
  const Image* operator->() const { return &image_; }

 private:
  Image copy_;
  const Image& image_;
};

/// To be read only; valid as long as `rgb8` lives.
inline cv::Mat rgb_view(const Image& rgb8) {
  return cv::Mat(rgb8.height, rgb8.width, CV_8UC3, const_cast<std::byte*>(rgb8.data.data()));
}

/// A map of that size for OpenCV to write to, and its pixels.
inline Annotation black_map(cv::Size size) {
  return {.map = Image(size.width, size.height, 3)};
}
inline cv::Mat pixels_of(Annotation& annotation) {
  Image& map = annotation.map;
  return cv::Mat(map.height, map.width, CV_8UC3, map.data.data());
}

/// A picture of 8UC1 (repeated to RGB) or 8UC3.
inline Annotation annotation_of(const cv::Mat& m) {
  Annotation result = black_map(m.size());
  cv::Mat map = pixels_of(result);
  if (m.channels() == 3) {
    m.copyTo(map);
  } else {
    cv::cvtColor(m, map, cv::COLOR_GRAY2RGB);
  }
  return result;
}

/// The grey map fn(r, g, b), rows in parallel.
template <class Fn>
Annotation grey_map(const Image& image, const Fn& fn) {
  const Rgb8 rgb(image);
  Annotation result = black_map({image.width, image.height});
  parallel_for(image.height, [&](int64_t y) {
    const uint8_t* src = rgb->row<uint8_t>(int(y));
    uint8_t* dst = result.map.row<uint8_t>(int(y));
    for (int x = 0; x < image.width; ++x, src += 3, dst += 3) {
      dst[0] = dst[1] = dst[2] = fn(src[0], src[1], src[2]);
    }
  });
  return result;
}

/// The f32 colours blurred by a Gaussian, `sigma` in pixels; borders mirror (reflect-101).
inline cv::Mat blurred_f32(const cv::Mat& f32, double sigma) {
  cv::Mat out;
  cv::GaussianBlur(f32, out, cv::Size(0, 0), sigma);
  return out;
}

inline cv::Mat to_f32(const Image& image) {
  const Rgb8 rgb(image);
  cv::Mat out;
  rgb_view(*rgb).convertTo(out, CV_32F);
  return out;
}

/// numpy.percentile(values, percent) with its linear interpolation. `values` are reordered and must
/// not be empty.
inline float percentile(std::vector<float>& values, double percent) {
  const double at = percent / 100 * double(values.size() - 1);
  const auto low = std::min(size_t(at), values.size() - 1);
  const auto middle = values.begin() + std::ptrdiff_t(low);
  std::nth_element(values.begin(), middle, values.end());
  if (low + 1 == values.size()) return *middle;
  const float next = *std::min_element(middle + 1, values.end());
  return float(double(*middle) + (double(next) - double(*middle)) * (at - double(low)));
}

}  // namespace dedit::annotators

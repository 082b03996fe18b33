// What annotators share: OpenCV's view of 8-bit RGB, and maps from OpenCV's results.
#pragma once

#include <algorithm>

#include <opencv2/imgproc.hpp>

#include "annotators/annotator.h"
#include "core/parallel.h"

namespace dedit::annotators {

/// To be read only; valid as long as `rgb8` lives.
inline cv::Mat rgb_view(const Image& rgb8) {
  return cv::Mat(rgb8.height, rgb8.width, CV_8UC3, const_cast<std::byte*>(rgb8.data.data()));
}

/// A picture of 8UC1 (repeated to RGB) or 8UC3.
inline Annotation annotation_of(const cv::Mat& m) {
  Annotation result{.map = Image(m.cols, m.rows, 3)};
  cv::Mat map(m.rows, m.cols, CV_8UC3, result.map.data.data());
  if (m.channels() == 3) {
    m.copyTo(map);
  } else {
    cv::cvtColor(m, map, cv::COLOR_GRAY2RGB);
  }
  return result;
}

/// 8UC1 of fn(r, g, b), rows in parallel.
template <class Fn>
cv::Mat grey_of(const Image& rgb8, const Fn& fn) {
  cv::Mat grey(rgb8.height, rgb8.width, CV_8UC1);
  parallel_for(rgb8.height, [&](int64_t y) {
    const uint8_t* src = rgb8.row<uint8_t>(int(y));
    uint8_t* dst = grey.ptr<uint8_t>(int(y));
    for (int x = 0; x < rgb8.width; ++x, src += 3) dst[x] = fn(src[0], src[1], src[2]);
  });
  return grey;
}

/// The f32 colours blurred by a Gaussian, `sigma` in pixels; borders mirror (reflect-101).
inline cv::Mat blurred_f32(const cv::Mat& f32, double sigma) {
  cv::Mat out;
  cv::GaussianBlur(f32, out, cv::Size(0, 0), sigma);
  return out;
}

inline cv::Mat to_f32(const Image& rgb8) {
  cv::Mat out;
  rgb_view(rgb8).convertTo(out, CV_32F);
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

// Cubic interpolation of 8-bit colours, computed in f32 and rounded: the result of OpenCV's
// releases for Python, up to a sample in 100,000. OpenCV's own 8-bit arithmetic, which Linux
// distributions build, is off by a level on some 2 % of the samples.
#pragma once

#include <array>
#include <cmath>

#include "annotators/maps.h"

namespace dedit::annotators {

/// Weights of four rows at a share of 0..1 between the second and the third, a = -0.75, in the
/// order of operations of cv::resize.
inline std::array<float, 4> cubic_weights(float x) {
  constexpr float a = -0.75f;
  const float y = 1 - x;
  std::array<float, 4> w = {((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a,
                            ((a + 2) * x - (a + 3)) * x * x + 1,
                            ((a + 2) * y - (a + 3)) * y * y + 1, 0};
  w[3] = 1.0f - w[0] - w[1] - w[2];
  return w;
}

/// out = the sum of rows times weights, rounded half to even, within 0..255.
inline void mix_rows(const std::array<const float*, 4>& rows, const std::array<float, 4>& w, int n,
                     uint8_t* __restrict out) {
  const float* __restrict a = rows[0];
  const float* __restrict b = rows[1];
  const float* __restrict c = rows[2];
  const float* __restrict d = rows[3];
  constexpr float kRound = 12582912.0f;  // adding 1.5 * 2^23 leaves no bits below one
  for (int i = 0; i < n; ++i) {
    const float v = a[i] * w[0] + b[i] * w[1] + c[i] * w[2] + d[i] * w[3];
    out[i] = uint8_t(int(std::min(std::max((v + kRound) - kRound, 0.0f), 255.0f)));
  }
}

/// `from` (8UC3) at the size of `to` (8UC3), which may be a map's pixels. Columns go through
/// cv::resize in f32; rows are mixed and rounded here, so that no f32 picture of full size is made.
inline void resize_cubic(const cv::Mat& from, cv::Mat to) {
  cv::Mat wide;
  from.convertTo(wide, CV_32F);
  cv::resize(wide, wide, cv::Size(to.cols, from.rows), 0, 0, cv::INTER_CUBIC);
  const double scale = double(from.rows) / to.rows;
  parallel_for(to.rows, [&](int64_t y) {
    const auto at = float((double(y) + 0.5) * scale - 0.5);
    const int first = int(std::floor(at)) - 1;
    std::array<const float*, 4> rows{};
    for (int k = 0; k < 4; ++k) {
      rows[size_t(k)] = wide.ptr<float>(std::clamp(first + k, 0, wide.rows - 1));
    }
    mix_rows(rows, cubic_weights(at - std::floor(at)), 3 * to.cols, to.ptr<uint8_t>(int(y)));
  });
}

}  // namespace dedit::annotators

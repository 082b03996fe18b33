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
/// cv::resize in f32, of the rows that are used; rows are mixed and rounded here, so that no f32
/// picture of full size is made.
inline void resize_cubic(const cv::Mat& from, cv::Mat to) {
  const double scale = double(from.rows) / to.rows;
  const auto place = [scale](int y) { return float((double(y) + 0.5) * scale - 0.5); };
  const auto source_row = [&](int y, int k) {
    return std::clamp(int(std::floor(place(y))) - 1 + k, 0, from.rows - 1);
  };
  const bool is_sparse = from.rows > 4 * to.rows;
  cv::Mat wide;
  if (is_sparse) {
    cv::Mat picked(4 * to.rows, from.cols, CV_8UC3);
    for (int i = 0; i < picked.rows; ++i) from.row(source_row(i / 4, i % 4)).copyTo(picked.row(i));
    picked.convertTo(wide, CV_32F);
  } else {
    from.convertTo(wide, CV_32F);
  }
  cv::resize(wide, wide, cv::Size(to.cols, wide.rows), 0, 0, cv::INTER_CUBIC);
  parallel_for(to.rows, [&](int64_t row) {
    const int y = int(row);
    std::array<const float*, 4> rows{};
    for (int k = 0; k < 4; ++k) {
      rows[size_t(k)] = wide.ptr<float>(is_sparse ? 4 * y + k : source_row(y, k));
    }
    const float at = place(y);
    mix_rows(rows, cubic_weights(at - std::floor(at)), 3 * to.cols, to.ptr<uint8_t>(y));
  });
}

}  // namespace dedit::annotators

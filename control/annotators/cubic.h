// Cubic interpolation of 8-bit colours, computed in f32 and rounded: the result of OpenCV's
// releases for Python, up to a sample in 100,000. OpenCV's own 8-bit arithmetic, which Linux
// distributions build, is off by a level on some 2 % of the samples.
#pragma once

#include <array>
#include <cmath>
#include <vector>

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

/// Where a sample of a resized row or column comes from.
struct CubicTaps {
  std::array<int, 4> from;
  std::array<float, 4> weights;
};

/// Of all samples of a side of `to` made from one of `from`, laid as cv::resize lays them; its ends
/// go on.
inline std::vector<CubicTaps> cubic_taps(int from, int to) {
  const double scale = 1 / (double(to) / from);
  std::vector<CubicTaps> taps(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    const auto at = float((i + 0.5) * scale - 0.5);
    const float below = std::floor(at);
    CubicTaps& t = taps[size_t(i)];
    for (int k = 0; k < 4; ++k) t.from[size_t(k)] = std::clamp(int(below) - 1 + k, 0, from - 1);
    t.weights = cubic_weights(at - below);
  }
  return taps;
}

/// The rows of a picture (8UC3) at another width, in f32, made when they are asked for. Any four in
/// a row are kept.
class WideRows {
 public:
  WideRows(const cv::Mat& from, const std::vector<CubicTaps>& columns)
      : from_(from),
        columns_(columns),
        narrow_(size_t(from.cols) * 3),
        kept_(4 * 3 * columns.size()) {}

  const float* row(int y) {
    const auto slot = size_t(y % 4);
    float* out = kept_.data() + slot * 3 * columns_.size();
    if (rows_[slot] != y) make(y, out);
    rows_[slot] = y;
    return out;
  }

 private:
  void make(int y, float* __restrict out) {
    const auto* src = from_.ptr<uint8_t>(y);
    std::copy(src, src + narrow_.size(), narrow_.begin());
    for (const CubicTaps& t : columns_) {
      const float* a = narrow_.data() + 3 * t.from[0];
      const float* b = narrow_.data() + 3 * t.from[1];
      const float* c = narrow_.data() + 3 * t.from[2];
      const float* d = narrow_.data() + 3 * t.from[3];
      const auto& w = t.weights;
      for (int i = 0; i < 3; ++i) *out++ = a[i] * w[0] + b[i] * w[1] + c[i] * w[2] + d[i] * w[3];
    }
  }

  cv::Mat from_;
  const std::vector<CubicTaps>& columns_;
  std::vector<float> narrow_, kept_;
  std::array<int, 4> rows_ = {-1, -1, -1, -1};
};

/// `from` (8UC3) at the size of `to` (8UC3), which may be a map's pixels. Only rows that are used
/// are widened, and only four are held: memory that is touched for the first time costs more than
/// the arithmetic.
inline void resize_cubic(const cv::Mat& from, cv::Mat to) {
  constexpr int kBand = 32;
  const std::vector<CubicTaps> columns = cubic_taps(from.cols, to.cols);
  const std::vector<CubicTaps> rows = cubic_taps(from.rows, to.rows);
  std::vector<WideRows> wide(size_t(num_threads()), WideRows(from, columns));
  parallel_for((to.rows + kBand - 1) / kBand, [&](int64_t band) {
    WideRows& source = wide[size_t(thread_index())];
    const int first = int(band) * kBand;
    for (int y = first; y < std::min(first + kBand, to.rows); ++y) {
      const CubicTaps& t = rows[size_t(y)];
      const std::array<const float*, 4> four = {source.row(t.from[0]), source.row(t.from[1]),
                                                source.row(t.from[2]), source.row(t.from[3])};
      mix_rows(four, t.weights, 3 * to.cols, to.ptr<uint8_t>(y));
    }
  });
}

}  // namespace dedit::annotators

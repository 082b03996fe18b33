// Area averages of 8-bit colours to any smaller size, in f32 and in the order of sums of
// cv::resize, whose bytes they are. Sums stay in registers, which takes half of OpenCV's time.
#pragma once

#include <cmath>
#include <vector>

#include "annotators/maps.h"

namespace dedit::annotators {

/// The pixels of a side that one pixel of a smaller side covers, and the share of each.
struct AreaCover {
  int first, count;
  const float* shares;
};

class AreaCovers {
 public:
  AreaCovers(int from, int to) {
    const double scale = 1 / (double(to) / from);
    shares_.reserve(size_t(from) + 2 * size_t(to));  // so that pointers stay
    covers_.reserve(size_t(to));
    for (int i = 0; i < to; ++i) add(i * scale, scale, from);
  }

  const AreaCover& operator[](int i) const { return covers_[size_t(i)]; }
  int size() const { return int(covers_.size()); }

 private:
  void add(double begin, double scale, int from) {
    constexpr double kLeast = 1e-3;  // of a pixel; less does not count
    const double end = begin + scale;
    const double width = std::min(scale, from - begin);
    const int last = std::min(int(std::floor(end)), from - 1);
    const int whole = std::min(int(std::ceil(begin)), last);
    AreaCover cover{whole, 0, shares_.data() + shares_.size()};
    const size_t before = shares_.size();
    if (whole - begin > kLeast) {
      cover.first = whole - 1;
      shares_.push_back(float((whole - begin) / width));
    }
    for (int k = whole; k < last; ++k) shares_.push_back(float(1 / width));
    if (end - last > kLeast) {
      shares_.push_back(float(std::min(std::min(end - last, 1.0), width) / width));
    }
    cover.count = int(shares_.size() - before);
    covers_.push_back(cover);
  }

  std::vector<float> shares_;
  std::vector<AreaCover> covers_;
};

/// A row of 8-bit RGB, averaged along itself.
inline void narrow_row(const uint8_t* src, const AreaCovers& columns, float* __restrict out) {
  for (int x = 0; x < columns.size(); ++x) {
    const AreaCover& cover = columns[x];
    const uint8_t* p = src + 3 * cover.first;
    float r = 0, g = 0, b = 0;
    for (int k = 0; k < cover.count; ++k, p += 3) {
      r += float(p[0]) * cover.shares[k];
      g += float(p[1]) * cover.shares[k];
      b += float(p[2]) * cover.shares[k];
    }
    *out++ = r;
    *out++ = g;
    *out++ = b;
  }
}

/// `from` (8UC3) at a smaller size.
inline cv::Mat resize_area(const cv::Mat& from, cv::Size size) {
  cv::Mat to(size, CV_8UC3);
  if (from.cols % size.width == 0 && from.rows % size.height == 0) {  // whole blocks, in integers
    cv::resize(from, to, size, 0, 0, cv::INTER_AREA);
    return to;
  }
  constexpr int kBand = 32;
  const AreaCovers columns(from.cols, size.width), rows(from.rows, size.height);
  const size_t n = 3 * size_t(size.width);
  std::vector<float> scratch(2 * n * size_t(num_threads()));
  parallel_for((size.height + kBand - 1) / kBand, [&](int64_t band) {
    float* __restrict row = scratch.data() + 2 * n * size_t(thread_index());
    float* __restrict sum = row + n;
    int held = -1;  // the last row of one is often the first of the next
    for (int y = int(band) * kBand; y < std::min(int(band + 1) * kBand, size.height); ++y) {
      std::fill(sum, sum + n, 0.0f);
      const AreaCover& cover = rows[y];
      for (int k = 0; k < cover.count; ++k) {
        if (held != cover.first + k) {
          narrow_row(from.ptr<uint8_t>(cover.first + k), columns, row);
        }
        held = cover.first + k;
        for (size_t i = 0; i < n; ++i) sum[i] += cover.shares[k] * row[i];
      }
      auto* out = to.ptr<uint8_t>(y);
      for (size_t i = 0; i < n; ++i) out[i] = cv::saturate_cast<uint8_t>(sum[i]);
    }
  });
  return to;
}

}  // namespace dedit::annotators

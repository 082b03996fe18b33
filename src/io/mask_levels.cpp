#include "io/mask_levels.h"

#include <algorithm>

#include <opencv2/imgproc.hpp>

#include "io/mat.h"

namespace dedit {
namespace {

constexpr float kWhite = 255.0f;

cv::Mat padded(const Image& mask8, int grid_w, int grid_h) {
  cv::Mat m;
  cv::copyMakeBorder(mat_of(mask8), m, 0, grid_h - mask8.height, 0, grid_w - mask8.width,
                     cv::BORDER_REPLICATE);
  cv::Mat unit(m.size(), CV_32F);
  std::transform(m.begin<uint8_t>(), m.end<uint8_t>(), unit.begin<float>(),
                 [](uint8_t v) { return float(v) / kWhite; });
  return unit;
}

MaskLevel level_of(const cv::Mat& m) {
  return {m.rows, m.cols, std::vector<float>(m.begin<float>(), m.end<float>())};
}

/// Means of blocks; an incomplete last one is completed by its last row and column.
cv::Mat block_means(const cv::Mat& m, int block) {
  const auto missing = [block](int n) { return (block - n % block) % block; };
  cv::Mat whole;
  cv::copyMakeBorder(m, whole, 0, missing(m.rows), 0, missing(m.cols), cv::BORDER_REPLICATE);
  cv::Mat out(whole.rows / block, whole.cols / block, CV_32F);
  for (int y = 0; y < out.rows; ++y) {
    for (int x = 0; x < out.cols; ++x) {
      const cv::Rect cell(x * block, y * block, block, block);
      out.at<float>(y, x) = float(cv::sum(whole(cell))[0] / (block * block));
    }
  }
  return out;
}

}  // namespace

std::vector<MaskLevel> mask_levels(const Image& mask8, int grid_w, int grid_h, int factor, int n) {
  cv::Mat m = block_means(padded(mask8, grid_w, grid_h), factor);
  std::vector<MaskLevel> levels = {level_of(m)};
  for (int i = 1; i < n; ++i) {
    m = block_means(m, 2);
    levels.push_back(level_of(m));
  }
  return levels;
}

std::vector<MaskLevel> sampled_mask_levels(const Image& mask8, int grid_w, int grid_h, int factor,
                                           int n) {
  const cv::Mat pixels = padded(mask8, grid_w, grid_h);
  cv::Size size(grid_w / factor, grid_h / factor);
  std::vector<MaskLevel> levels;
  for (int i = 0; i < n; ++i) {
    cv::Mat m;
    cv::resize(pixels, m, size, 0, 0, cv::INTER_LINEAR);
    levels.push_back(level_of(m));
    size = {(size.width + 1) / 2, (size.height + 1) / 2};
  }
  return levels;
}

}  // namespace dedit

// Masks made from masks.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <opencv2/imgproc.hpp>

#include "core/rgb8.h"
#include "core/str.h"
#include "io/image_ops.h"
#include "io/mat.h"

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

Image image_of(const cv::Mat& m) {
  Image mask(m.cols, m.rows, 1);
  m.copyTo(mat_of(mask));
  return mask;
}

/// Distance of every white pixel to the nearest black one, in pixels; far everywhere if none is.
cv::Mat depth_of(const cv::Mat& white) {
  cv::Mat depth;
  if (cv::countNonZero(white) == int64_t(white.total())) {
    return cv::Mat(white.size(), CV_32FC1, cv::Scalar(4.0 * Image::kMaxSide));
  }
  cv::distanceTransform(white, depth, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  return depth;
}

bool is_two_valued(const cv::Mat& m) {
  return cv::countNonZero(m) == cv::countNonZero(m == 255);
}

/// Largest value within `radius`. Discs of black-and-white masks go by distance, in time that does
/// not depend on the radius.
cv::Mat grown(const cv::Mat& m, int radius, MaskBrush brush) {
  cv::Mat out;
  if (radius == 0) return m;
  const cv::Size size(2 * radius + 1, 2 * radius + 1);
  if (brush == MaskBrush::kBox) {
    cv::dilate(m, out, cv::getStructuringElement(cv::MORPH_RECT, size));
  } else if (is_two_valued(m)) {
    cv::compare(depth_of(m == 0), double(radius), out, cv::CMP_LE);
  } else {
    cv::Mat disc(size, CV_8UC1);
    for (int y = -radius; y <= radius; ++y) {
      for (int x = -radius; x <= radius; ++x) {
        disc.at<uint8_t>(y + radius, x + radius) = x * x + y * y <= radius * radius;
      }
    }
    cv::dilate(m, out, disc);
  }
  return out;
}

/// Regions of `m` != 0: their labels, and how many pixels each has (0 is what is black).
std::pair<cv::Mat, std::vector<int>> regions_of(const cv::Mat& m, int neighbours) {
  cv::Mat labels, stats, centres;
  const int n = cv::connectedComponentsWithStats(m, labels, stats, centres, neighbours, CV_32S);
  std::vector<int> areas;
  for (int i = 0; i < n; ++i) areas.push_back(stats.at<int>(i, cv::CC_STAT_AREA));
  return {labels, areas};
}

}  // namespace

double mask_coverage(const Image& mask) {
  return coverage(mask);
}

Image mask_to_alpha(const Image& mask) {
  Image out(mask.width, mask.height, 2);
  const cv::Mat planes[] = {cv::Mat(mask.height, mask.width, CV_8UC1, cv::Scalar(255)),
                            mat_of(mask)};
  cv::merge(planes, 2, mat_of(out));
  return out;
}

Image combine_masks(std::span<const Image> masks, MaskOp op) {
  cv::Mat out = mat_of(masks.front()).clone();
  for (size_t i = 1; i < masks.size(); ++i) {
    const cv::Mat other = mat_of(masks[i]);
    if (other.size() != out.size()) {
      throw Error(ErrorKind::kUsage,
                  str("masks of ", out.cols, "x", out.rows, " and ", other.cols, "x", other.rows,
                      " do not combine"),
                  "make them on the same picture");
    }
    switch (op) {
      case MaskOp::kUnion:
        cv::max(out, other, out);
        break;
      case MaskOp::kIntersect:
        cv::min(out, other, out);
        break;
      case MaskOp::kSubtract:
        cv::min(out, 255 - other, out);
        break;
    }
  }
  return image_of(out);
}

Image invert_mask(const Image& mask) {
  return image_of(255 - mat_of(mask));
}

Image grow_mask(const Image& mask, int radius, MaskBrush brush) {
  return image_of(grown(mat_of(mask), radius, brush));
}

Image shrink_mask(const Image& mask, int radius, MaskBrush brush) {
  return image_of(255 - grown(255 - mat_of(mask), radius, brush));
}

// The outermost white pixel has depth 1, the nearest black one height 1.
Image feather_mask(const Image& mask, int radius, FeatherSide side) {
  if (radius == 0) return mask;
  const cv::Mat white = mat_of(mask) >= 128;
  const cv::Mat in = depth_of(white);
  const cv::Mat out = depth_of(255 - white);
  Image result(mask.width, mask.height, 1);
  for (int y = 0; y < mask.height; ++y) {
    uint8_t* dst = result.row<uint8_t>(y);
    for (int x = 0; x < mask.width; ++x) {
      const bool is_white = white.at<uint8_t>(y, x) != 0;
      // Pixels from the outline, which runs half a pixel from both; inside is positive.
      const float depth = is_white ? in.at<float>(y, x) - 0.5f : 0.5f - out.at<float>(y, x);
      float share = 0;
      switch (side) {
        case FeatherSide::kIn:
          share = is_white ? (depth + 0.5f) / float(radius + 1) : 0;
          break;
        case FeatherSide::kOut:
          share = 1 + (depth - 0.5f + (is_white ? 1.0f : 0.0f)) / float(radius + 1);
          break;
        case FeatherSide::kBoth:
          share = 0.5f + depth / float(radius);
          break;
      }
      dst[x] = uint8_t(std::lround(std::clamp(share, 0.0f, 1.0f) * 255));
    }
  }
  return result;
}

Image fill_holes(const Image& mask) {
  const cv::Mat m = mat_of(mask);
  const auto [labels, areas] = regions_of(m == 0, 4);
  std::vector<char> is_open(areas.size());
  for (int y = 0; y < m.rows; ++y) {
    const int* row = labels.ptr<int>(y);
    const bool is_edge = y == 0 || y + 1 == m.rows;
    for (int x = 0; x < m.cols; x += is_edge ? 1 : std::max(1, m.cols - 1)) {
      is_open[size_t(row[x])] = 1;
    }
  }
  Image result = mask;
  for (int y = 0; y < m.rows; ++y) {
    const int* row = labels.ptr<int>(y);
    uint8_t* dst = result.row<uint8_t>(y);
    for (int x = 0; x < m.cols; ++x) {
      if (row[x] != 0 && is_open[size_t(row[x])] == 0) dst[x] = 255;
    }
  }
  return result;
}

Image keep_largest(const Image& mask, int count) {
  const auto [labels, areas] = regions_of(mat_of(mask), 8);
  std::vector<size_t> order(areas.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin() + 1, order.end(),
                   [&areas = areas](size_t a, size_t b) { return areas[a] > areas[b]; });
  std::vector<char> is_kept(areas.size());
  for (size_t i = 1; i < order.size() && i <= size_t(count); ++i) is_kept[order[i]] = 1;
  Image result = mask;
  for (int y = 0; y < mask.height; ++y) {
    const int* row = labels.ptr<int>(y);
    uint8_t* dst = result.row<uint8_t>(y);
    for (int x = 0; x < mask.width; ++x) {
      if (is_kept[size_t(row[x])] == 0) dst[x] = 0;
    }
  }
  return result;
}

Image smooth_mask(const Image& mask, int radius) {
  if (radius == 0) return mask;
  cv::Mat soft;
  cv::GaussianBlur(mat_of(mask), soft, {0, 0}, radius / 2.0, radius / 2.0, cv::BORDER_REPLICATE);
  return image_of(soft >= 128);
}

Image threshold_mask(const Image& mask, int at) {
  return image_of(mat_of(mask) >= at);
}

Image overlay_mask(const Image& picture, const Image& mask, std::array<uint8_t, 3> rgb,
                   double opacity) {
  Image out = to_rgb8(picture);
  out.text.clear();
  if (mask.width != out.width || mask.height != out.height) {
    throw Error(ErrorKind::kUsage, str("the mask is ", mask.width, "x", mask.height,
                                       ", the picture ", out.width, "x", out.height));
  }
  for (int y = 0; y < out.height; ++y) {
    const uint8_t* m = mask.row<uint8_t>(y);
    uint8_t* p = out.row<uint8_t>(y);
    for (int x = 0; x < out.width; ++x, p += 3) {
      const double share = opacity * m[x] / 255;
      for (size_t c = 0; c < 3; ++c) p[c] = uint8_t(std::lround(p[c] + (rgb[c] - p[c]) * share));
    }
  }
  return out;
}

}  // namespace dedit

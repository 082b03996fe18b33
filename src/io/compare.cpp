#include "dedit/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "core/parallel.h"
#include "core/rgb8.h"
#include "core/str.h"
#include "io/image_ops.h"
#include "io/mat.h"

#include "dedit/error.h"

namespace dedit {
namespace {

void check_size(const Image& a, const Image& b, const char* what) {
  if (a.width == b.width && a.height == b.height) return;
  throw Error(
      ErrorKind::kUsage,
      str(what, " is ", b.width, "x", b.height, ", the first picture ", a.width, "x", a.height),
      "only pictures of one size compare pixel by pixel");
}

/// The structural similarity of every pixel, mean of the channels: Gaussian windows of 11 pixels,
/// sigma 1.5, biased variances (Wang et al. 2004).
cv::Mat ssim_map(const cv::Mat& a8, const cv::Mat& b8) {
  constexpr double kC1 = 0.01 * 255 * 0.01 * 255;
  constexpr double kC2 = 0.03 * 255 * 0.03 * 255;
  const auto window = [](const cv::Mat& m) {
    cv::Mat out;
    cv::GaussianBlur(m, out, {11, 11}, 1.5, 1.5, cv::BORDER_REFLECT);
    return out;
  };
  cv::Mat mean = cv::Mat::zeros(a8.size(), CV_64FC1);
  for (int c = 0; c < 3; ++c) {
    cv::Mat a, b;
    cv::extractChannel(a8, a, c);
    cv::extractChannel(b8, b, c);
    a.convertTo(a, CV_64F);
    b.convertTo(b, CV_64F);
    const cv::Mat ma = window(a);
    const cv::Mat mb = window(b);
    const cv::Mat va = window(a.mul(a)) - ma.mul(ma);
    const cv::Mat vb = window(b.mul(b)) - mb.mul(mb);
    const cv::Mat vab = window(a.mul(b)) - ma.mul(mb);
    const cv::Mat top = (2 * ma.mul(mb) + kC1).mul(2 * vab + kC2);
    const cv::Mat bottom = (ma.mul(ma) + mb.mul(mb) + kC1).mul(va + vb + kC2);
    mean += top / bottom / 3.0;
  }
  return mean;
}

/// Sums over the pixels of one region, row by row in order, so that no thread count changes them.
struct Sums {
  int64_t pixels = 0;
  double squares = 0, ssim = 0, delta_e = 0, delta_e_most = 0;

  PixelDistance distance() const {
    PixelDistance d;
    d.pixels = pixels;
    const double mse = squares / (3 * double(pixels));
    d.psnr = mse > 0 ? 10 * std::log10(255 * 255 / mse) : std::numeric_limits<double>::infinity();
    d.ssim = ssim / double(pixels);
    d.delta_e = delta_e / double(pixels);
    d.delta_e_most = delta_e_most;
    return d;
  }
};

double delta_e_of(const uint8_t* p, const uint8_t* q) {
  if (std::memcmp(p, q, 3) == 0) return 0;
  return ciede2000(lab_of_srgb(p[0], p[1], p[2]), lab_of_srgb(q[0], q[1], q[2]));
}

void add_pixel(Sums& sums, const uint8_t* p, const uint8_t* q, double ssim, double delta_e) {
  ++sums.pixels;
  for (int c = 0; c < 3; ++c) sums.squares += double(p[c] - q[c]) * double(p[c] - q[c]);
  sums.ssim += ssim;
  sums.delta_e += delta_e;
  sums.delta_e_most = std::max(sums.delta_e_most, delta_e);
}

cv::Mat delta_e_map(const Image& a, const Image& b) {
  cv::Mat map(a.height, a.width, CV_64FC1);
  parallel_for(a.height, [&](int64_t y) {
    const uint8_t* p = a.row<uint8_t>(int(y));
    const uint8_t* q = b.row<uint8_t>(int(y));
    double* dst = map.ptr<double>(int(y));
    for (int x = 0; x < a.width; ++x) dst[x] = delta_e_of(p + 3 * x, q + 3 * x);
  });
  return map;
}

void measure_pixels(const Image& a, const Image& b, const Image* mask, Comparison& result) {
  const cv::Mat ssim = ssim_map(mat_of(a), mat_of(b));
  const cv::Mat delta_e = delta_e_map(a, b);
  Sums all, inside, outside;
  for (int y = 0; y < a.height; ++y) {
    const uint8_t* p = a.row<uint8_t>(y);
    const uint8_t* q = b.row<uint8_t>(y);
    for (int x = 0; x < a.width; ++x, p += 3, q += 3) {
      const double s = ssim.at<double>(y, x);
      const double e = delta_e.at<double>(y, x);
      add_pixel(all, p, q, s, e);
      if (mask == nullptr) continue;
      add_pixel(mask->row<uint8_t>(y)[x] != 0 ? inside : outside, p, q, s, e);
    }
  }
  result.all = all.distance();
  if (inside.pixels > 0) result.inside = inside.distance();
  if (outside.pixels > 0) result.outside = outside.distance();
}

/// Pixels of which any sample differs, at the pictures' own depth where they share it.
void count_changes(const Image& a, const Image& b, const Image* mask, Comparison& result) {
  const bool is_alike = a.type == b.type && a.channels == b.channels;
  const Image first = is_alike ? a : to_rgb8(a);
  const Image second = is_alike ? b : to_rgb8(b);
  const size_t bytes = size_t(first.channels) * bytes_per_sample(first.type);
  for (int y = 0; y < first.height; ++y) {
    const std::byte* p = first.row<std::byte>(y);
    const std::byte* q = second.row<std::byte>(y);
    for (int x = 0; x < first.width; ++x, p += bytes, q += bytes) {
      if (std::memcmp(p, q, bytes) == 0) continue;
      ++result.changed;
      if (mask != nullptr && mask->row<uint8_t>(y)[x] == 0) ++result.changed_outside;
    }
  }
}

/// Share of the pixels of `edges` that lie within `tolerance` of one of `others`.
double share_near(const cv::Mat& edges, const cv::Mat& others, int tolerance) {
  const int n = cv::countNonZero(edges);
  const int n_others = cv::countNonZero(others);
  if (n == 0) return n_others == 0 ? 1 : 0;
  if (n_others == 0) return 0;
  cv::Mat distance, near;
  cv::distanceTransform(others == 0, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  cv::compare(distance, double(tolerance) + 1e-4, near, cv::CMP_LE);
  return double(cv::countNonZero(edges & near)) / n;
}

EdgeAgreement agreement(const cv::Mat& asked, const cv::Mat& found, int tolerance) {
  EdgeAgreement e;
  e.asked = cv::countNonZero(asked);
  e.found = cv::countNonZero(found);
  e.precision = share_near(found, asked, tolerance);
  e.recall = share_near(asked, found, tolerance);
  const double sum = e.precision + e.recall;
  e.f1 = sum > 0 ? 2 * e.precision * e.recall / sum : 0;
  return e;
}

cv::Mat white_of(const Image& map) {
  const Image grey = to_mask8(map);
  return mat_of(grey) >= 128;
}

cv::Mat edges_of(const Image& rgb, const CompareOptions& o) {
  cv::Mat edges;
  cv::Canny(mat_of(rgb), edges, o.low, o.high);
  return edges;
}

/// Average ranks of a depth map's values, ties sharing theirs.
std::vector<double> ranks_of(const Image& depth) {
  const Image wide = to_depth(depth, PixelType::kU16);
  constexpr size_t kValues = 65536;
  const int colours = wide.channels >= 3 ? 3 : 1;
  std::vector<int64_t> counts(kValues);
  std::vector<uint16_t> values;
  for (int y = 0; y < wide.height; ++y) {
    const uint16_t* p = wide.row<uint16_t>(y);
    for (int x = 0; x < wide.width; ++x, p += wide.channels) {
      values.push_back(colours == 3 ? uint16_t(luma601(p[0], p[1], p[2])) : p[0]);
      ++counts[values.back()];
    }
  }
  std::vector<double> rank(kValues);
  int64_t below = 0;
  for (size_t v = 0; v < kValues; ++v) {
    rank[v] = double(below) + (double(counts[v]) + 1) / 2;
    below += counts[v];
  }
  std::vector<double> ranks(values.size());
  std::transform(values.begin(), values.end(), ranks.begin(), [&](uint16_t v) { return rank[v]; });
  return ranks;
}

/// Spearman's: the correlation of the ranks; 0 if a map has one value only.
double rank_correlation(const Image& a, const Image& b) {
  const std::vector<double> x = ranks_of(a);
  const std::vector<double> y = ranks_of(b);
  const double mean = (double(x.size()) + 1) / 2;
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
    xy += (x[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

}  // namespace

Comparison compare_pictures(const Image& a, const Image& b, const CompareOptions& o) {
  check_size(a, b, "the second picture");
  if (o.mask) check_size(a, *o.mask, "the mask");
  if (o.edges) check_size(a, *o.edges, "the map of edges");
  const Image* mask = o.mask ? &*o.mask : nullptr;
  const Image first = to_rgb8(a);
  const Image second = to_rgb8(b);
  Comparison result;
  result.width = a.width;
  result.height = a.height;
  measure_pixels(first, second, mask, result);
  count_changes(a, b, mask, result);
  const cv::Mat asked = o.edges ? white_of(*o.edges) : edges_of(first, o);
  result.edges = agreement(asked, edges_of(second, o), o.tolerance);
  if (o.depth_a && o.depth_b) {
    check_size(*o.depth_a, *o.depth_b, "the second depth map");
    result.depth_correlation = rank_correlation(*o.depth_a, *o.depth_b);
  }
  return result;
}

EdgeAgreement map_agreement(const Image& asked, const Image& found, int tolerance) {
  check_size(asked, found, "the second map");
  return agreement(white_of(asked), white_of(found), tolerance);
}

Image difference_picture(const Image& a, const Image& b, double gain) {
  check_size(a, b, "the second picture");
  const Image first = to_rgb8(a);
  const Image second = to_rgb8(b);
  Image out(a.width, a.height, 3);
  cv::Mat difference = mat_of(out);
  cv::absdiff(mat_of(first), mat_of(second), difference);
  difference.convertTo(difference, CV_8U, gain);
  return out;
}

}  // namespace dedit

// How well a picture keeps another: edges, pixels, colours, depth order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dedit/image.h"

namespace dedit {

struct CompareOptions {
  std::optional<Image> mask;   ///< splits the picture: inside is not black
  std::optional<Image> edges;  ///< a map to compare with, instead of the first picture's own edges
  double low = 100;            ///< thresholds of the edges that cv::Canny finds
  double high = 200;
  int tolerance = 2;                      ///< pixels by which an edge may be off
  std::optional<Image> depth_a, depth_b;  ///< maps whose order of depths is compared
};

/// Differences of 8-bit RGB values over some pixels.
struct PixelDistance {
  int64_t pixels = 0;
  double psnr = 0;          ///< dB; infinite where all are equal
  double ssim = 0;          ///< mean of the channels
  double delta_e = 0;       ///< mean CIEDE2000
  double delta_e_most = 0;  ///< the largest
};

struct EdgeAgreement {
  int64_t asked = 0;  ///< edge pixels of the first picture, or of the map
  int64_t found = 0;  ///< of the second
  double precision = 0, recall = 0, f1 = 0;
};

/// How well the white (from 128) of one map lies on that of another, within `tolerance` pixels.
/// Throws Error(kUsage) if sizes differ.
EdgeAgreement map_agreement(const Image& asked, const Image& found, int tolerance);

struct Comparison {
  int width = 0, height = 0;
  PixelDistance all;
  std::optional<PixelDistance> inside, outside;  ///< with a mask that has such pixels
  int64_t changed = 0;                           ///< pixels that differ in any bit
  int64_t changed_outside = 0;                   ///< of those, outside the mask
  EdgeAgreement edges;
  std::optional<double> depth_correlation;  ///< Spearman's, -1..1
};

/// `b` beside `a`. Throws Error(kUsage) if sizes differ.
Comparison compare_pictures(const Image& a, const Image& b, const CompareOptions& options = {});

/// Absolute differences of 8-bit RGB times `gain`.
Image difference_picture(const Image& a, const Image& b, double gain);

/// CIEDE2000 of two colours in CIE Lab (Sharma, Wu, Dalal 2005, doi:10.1002/col.20070).
double ciede2000(const std::array<double, 3>& lab1, const std::array<double, 3>& lab2);

/// CIE Lab of an sRGB colour in 0..255 (D65, 2 degrees).
std::array<double, 3> lab_of_srgb(double r, double g, double b);

}  // namespace dedit

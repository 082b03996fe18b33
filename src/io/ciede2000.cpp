#include <cmath>
#include <numbers>

#include "dedit/compare.h"

namespace dedit {
namespace {

constexpr double kDegree = std::numbers::pi / 180;

double pow7(double v) {
  return std::pow(v, 7);
}

/// Hue angle in degrees, 0..360; 0 for grey.
double hue_of(double a, double b) {
  if (a == 0 && b == 0) return 0;
  const double h = std::atan2(b, a) / kDegree;
  return h < 0 ? h + 360 : h;
}

/// Names and order as in the paper's equations 7 to 22.
double mean_hue(double h1, double h2, bool is_grey) {
  if (is_grey) return h1 + h2;
  if (std::abs(h1 - h2) <= 180) return (h1 + h2) / 2;
  return h1 + h2 < 360 ? (h1 + h2 + 360) / 2 : (h1 + h2 - 360) / 2;
}

double hue_step(double h1, double h2, bool is_grey) {
  if (is_grey) return 0;
  const double d = h2 - h1;
  return d > 180 ? d - 360 : d < -180 ? d + 360 : d;
}

}  // namespace

double ciede2000(const std::array<double, 3>& lab1, const std::array<double, 3>& lab2) {
  const auto [l1, a1, b1] = lab1;
  const auto [l2, a2, b2] = lab2;
  const double c_mean = (std::hypot(a1, b1) + std::hypot(a2, b2)) / 2;
  const double g = 0.5 * (1 - std::sqrt(pow7(c_mean) / (pow7(c_mean) + pow7(25))));
  const double a1p = (1 + g) * a1;
  const double a2p = (1 + g) * a2;
  const double c1 = std::hypot(a1p, b1);
  const double c2 = std::hypot(a2p, b2);
  const bool is_grey = c1 * c2 == 0;
  const double h1 = hue_of(a1p, b1);
  const double h2 = hue_of(a2p, b2);
  const double dl = l2 - l1;
  const double dc = c2 - c1;
  const double dh = 2 * std::sqrt(c1 * c2) * std::sin(hue_step(h1, h2, is_grey) / 2 * kDegree);

  const double l = (l1 + l2) / 2;
  const double c = (c1 + c2) / 2;
  const double h = mean_hue(h1, h2, is_grey);
  const double t = 1 - 0.17 * std::cos((h - 30) * kDegree) + 0.24 * std::cos(2 * h * kDegree) +
                   0.32 * std::cos((3 * h + 6) * kDegree) - 0.20 * std::cos((4 * h - 63) * kDegree);
  const double turn = 30 * std::exp(-std::pow((h - 275) / 25, 2));
  const double rc = 2 * std::sqrt(pow7(c) / (pow7(c) + pow7(25)));
  const double sl = 1 + 0.015 * std::pow(l - 50, 2) / std::sqrt(20 + std::pow(l - 50, 2));
  const double sc = 1 + 0.045 * c;
  const double sh = 1 + 0.015 * c * t;
  const double rt = -std::sin(2 * turn * kDegree) * rc;
  return std::sqrt(std::pow(dl / sl, 2) + std::pow(dc / sc, 2) + std::pow(dh / sh, 2) +
                   rt * (dc / sc) * (dh / sh));
}

std::array<double, 3> lab_of_srgb(double r, double g, double b) {
  const auto linear = [](double v) {
    v /= 255;
    return v > 0.04045 ? std::pow((v + 0.055) / 1.055, 2.4) : v / 12.92;
  };
  const auto f = [](double v) { return v > 0.008856 ? std::cbrt(v) : 7.787 * v + 16.0 / 116; };
  r = linear(r), g = linear(g), b = linear(b);
  // IEC 61966-2-1 to XYZ, over the white point of D65.
  const double x = f((0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.95047);
  const double y = f(0.212671 * r + 0.715160 * g + 0.072169 * b);
  const double z = f((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

}  // namespace dedit

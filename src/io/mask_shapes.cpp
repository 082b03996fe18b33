// Masks from shapes: ellipses, polygons, brush strokes.
#include <algorithm>
#include <cmath>
#include <numbers>

#include <opencv2/imgproc.hpp>

#include "core/str.h"
#include "io/mat.h"

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {
namespace {

/// A shape that misses the picture is a mistake, and an empty mask would repaint nothing.
void check_inside(const Image& mask, const char* shape) {
  if (cv::countNonZero(mat_of(mask)) > 0) return;
  throw Error(ErrorKind::kUsage,
              str("mask ", shape, ": it has no pixel inside the ", mask.width, "x", mask.height,
                  " picture"),
              "coordinates are pixels from the top left corner");
}

/// Pixel (i, j) covers [i, i+1): the pixel that holds the point.
cv::Point pixel_of(const MaskPoint& p) {
  return {int(std::floor(p.x)), int(std::floor(p.y))};
}

/// Squared distance of (x, y) to the line from a to b.
double distance2(double x, double y, const MaskPoint& a, const MaskPoint& b) {
  const double dx = b.x - a.x;
  const double dy = b.y - a.y;
  const double length2 = dx * dx + dy * dy;
  const double along = length2 > 0 ? ((x - a.x) * dx + (y - a.y) * dy) / length2 : 0;
  const double t = std::clamp(along, 0.0, 1.0);
  return std::pow(x - a.x - t * dx, 2) + std::pow(y - a.y - t * dy, 2);
}

/// Pixels whose centre lies within the radius of the line from a to b.
void paint_segment(Image& mask, const MaskPoint& a, const MaskPoint& b, const MaskStroke& stroke) {
  constexpr double kLeastRadius = 0.75;  // over half a diagonal: no stroke slips between centres
  const double radius = std::max(stroke.radius, kLeastRadius);
  const auto first = [&](double v) { return std::max(0, int(std::floor(v - radius))); };
  const auto last = [&](double v, int side) { return std::min(side - 1, int(v + radius)); };
  for (int y = first(std::min(a.y, b.y)); y <= last(std::max(a.y, b.y), mask.height); ++y) {
    uint8_t* row = mask.row<uint8_t>(y);
    for (int x = first(std::min(a.x, b.x)); x <= last(std::max(a.x, b.x), mask.width); ++x) {
      if (distance2(x + 0.5, y + 0.5, a, b) > radius * radius) continue;
      row[x] = stroke.erases ? 0 : 255;
    }
  }
}

}  // namespace

Image ellipse_mask(int width, int height, std::array<double, 4> xywh, double degrees) {
  const auto [x, y, w, h] = xywh;
  if (!(w > 0 && h > 0)) {
    throw Error(ErrorKind::kUsage, str("mask ellipse: ", w, "x", h, " is empty"),
                "give x,y,width,height of the box around it");
  }
  Image mask(width, height, 1);
  const double radians = degrees * std::numbers::pi / 180;
  const double c = std::cos(radians);
  const double s = std::sin(radians);
  for (int j = 0; j < height; ++j) {
    uint8_t* row = mask.row<uint8_t>(j);
    for (int i = 0; i < width; ++i) {
      const double dx = i + 0.5 - (x + w / 2);
      const double dy = j + 0.5 - (y + h / 2);
      const double u = (c * dx + s * dy) / (w / 2);
      const double v = (c * dy - s * dx) / (h / 2);
      row[i] = u * u + v * v <= 1 ? 255 : 0;
    }
  }
  check_inside(mask, "ellipse");
  return mask;
}

Image polygon_mask(int width, int height, const std::vector<std::vector<MaskPoint>>& polygons) {
  Image mask(width, height, 1);
  std::vector<std::vector<cv::Point>> outlines;
  for (const auto& polygon : polygons) {
    auto& outline = outlines.emplace_back();
    for (const MaskPoint& p : polygon) outline.push_back(pixel_of(p));
  }
  cv::fillPoly(mat_of(mask), outlines, 255);
  check_inside(mask, "polygon");
  return mask;
}

Image brush_mask(int width, int height, const std::vector<MaskStroke>& strokes) {
  Image mask(width, height, 1);
  for (const MaskStroke& stroke : strokes) {
    for (size_t i = 0; i < stroke.points.size(); ++i) {
      paint_segment(mask, stroke.points[i == 0 ? 0 : i - 1], stroke.points[i], stroke);
    }
  }
  check_inside(mask, "brush");
  return mask;
}

}  // namespace dedit

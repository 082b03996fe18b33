#include "io/geometry.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "core/str.h"
#include "io/image_ops.h"
#include "io/map_resize.h"
#include "io/mat.h"

#include "dedit/error.h"

namespace dedit {
namespace {

[[noreturn]] void usage(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorKind::kUsage, message, hint);
}

Rect checked_crop(int width, int height, const std::optional<Rect>& crop) {
  if (!crop) return {0, 0, width, height};
  const Rect& r = *crop;
  const bool is_inside = r.x >= 0 && r.y >= 0 && r.width >= 1 && r.height >= 1 &&
                         r.x <= width - r.width && r.y <= height - r.height;
  if (!is_inside) {
    usage(str("the crop ", r.x, ",", r.y, ",", r.width, ",", r.height,
              " does not lie inside the picture of ", width, "x", height));
  }
  return r;
}

int scaled(int side, double factor) {
  return std::max(1, int(std::nearbyint(side * factor)));  // half to even, as Python's round
}

/// Half of what is left over or missing, rounded down towards the picture's corner.
int shift(int frame, int side) {
  return side > frame ? -((side - frame) / 2) : (frame - side) / 2;
}

/// What the frame shows of the scaled crop, in its coordinates.
Rect visible_part(const Geometry& g) {
  const int x = std::max(0, -g.left), y = std::max(0, -g.top);
  return {x, y, std::min(g.scaled_width - x, g.width), std::min(g.scaled_height - y, g.height)};
}

bool fills_frame(const Geometry& g, const Image& visible) {
  return visible.width == g.width && visible.height == g.height;
}

Image shown(const Geometry& g, Image scaled_crop) {
  const Rect part = visible_part(g);
  if (part.width == scaled_crop.width && part.height == scaled_crop.height) return scaled_crop;
  return cut(scaled_crop, part);
}

/// The frame around a visible part.
Image framed(const Geometry& g, Image visible, int border, const cv::Scalar& colour = {}) {
  if (fills_frame(g, visible)) return visible;
  Image out(g.width, g.height, visible.channels, visible.type);
  out.icc = visible.icc;
  const int left = std::max(0, g.left), top = std::max(0, g.top);
  cv::Mat target = mat_of(out);
  cv::copyMakeBorder(mat_of(visible), target, top, g.height - visible.height - top, left,
                     g.width - visible.width - left, border, colour);
  return out;
}

/// Per channel, of the first and last rows and columns.
cv::Scalar edge_median(const Image& image) {
  const cv::Mat m = mat_of(image);
  cv::Scalar median;
  for (int c = 0; c < m.channels(); ++c) {
    cv::Mat plane;
    cv::extractChannel(m, plane, c);
    plane.convertTo(plane, CV_64F);
    std::vector<double> values;
    for (int x = 0; x < plane.cols; ++x) {
      for (int y : {0, plane.rows - 1}) values.push_back(plane.at<double>(y, x));
    }
    for (int y = 0; y < plane.rows; ++y) {
      for (int x : {0, plane.cols - 1}) values.push_back(plane.at<double>(y, x));
    }
    std::sort(values.begin(), values.end());
    const size_t middle = values.size() / 2;
    median[c] = (values[middle] + values[(values.size() - 1) / 2]) / 2;
    if (image.type != PixelType::kF32) median[c] = std::floor(median[c]);  // numpy's cast
  }
  return median;
}

}  // namespace

bool same_aspect(const Size& a, const Size& b) {
  return std::abs(double(a.width) * b.height - double(a.height) * b.width) <=
         0.5 * std::max(a.width + b.width, a.height + b.height);
}

std::string name_of(Fit fit) {
  switch (fit) {
    case Fit::kExact:
      return "exact";
    case Fit::kStretch:
      return "stretch";
    case Fit::kCrop:
      return "crop";
    case Fit::kFill:
      return "fill";
  }
  return "";
}

std::string Geometry::text() const {
  std::string line = str(source_width, "x", source_height);
  if (crop.width != source_width || crop.height != source_height) {
    line += str(", ", crop.width, "x", crop.height, " of it at ", crop.x, ",", crop.y);
  }
  if (scaled_width != crop.width || scaled_height != crop.height) {
    line += str(", scaled to ", scaled_width, "x", scaled_height);
  }
  if (scaled_width != width || scaled_height != height) line += str(" at ", left, ",", top);
  return line + str(", ", name_of(fit), " on ", width, "x", height, ", grid ", grid_width, "x",
                    grid_height);
}

Geometry make_geometry(int source_width, int source_height, const std::optional<Rect>& crop,
                       int width, int height, Fit fit, int factor) {
  Geometry g;
  g.source_width = source_width;
  g.source_height = source_height;
  g.crop = checked_crop(source_width, source_height, crop);
  g.width = g.scaled_width = width;
  g.height = g.scaled_height = height;
  g.grid_width = (width + factor - 1) / factor * factor;
  g.grid_height = (height + factor - 1) / factor * factor;
  g.fit = fit;
  if (fit == Fit::kExact && !same_aspect({g.crop.width, g.crop.height}, {width, height})) {
    usage(str("a picture or map of ", g.crop.width, "x", g.crop.height,
              " does not have the aspect of ", width, "x", height),
          "say how to fit it, with --fit stretch, crop or fill, or give only one side");
  }
  if (fit == Fit::kCrop || fit == Fit::kFill) {
    const double x = double(width) / g.crop.width, y = double(height) / g.crop.height;
    const double k = fit == Fit::kCrop ? std::max(x, y) : std::min(x, y);
    g.scaled_width = scaled(g.crop.width, k);
    g.scaled_height = scaled(g.crop.height, k);
    if (std::max(g.scaled_width, g.scaled_height) > Image::kMaxSide) {
      usage(str("filling ", width, "x", height, " scales the picture to ", g.scaled_width, "x",
                g.scaled_height, ", over ", Image::kMaxSide));
    }
    g.left = shift(width, g.scaled_width);
    g.top = shift(height, g.scaled_height);
  }
  return g;
}

Geometry geometry_of_part(const Geometry& g, int source_width, int source_height, Fit fit) {
  Geometry part = make_geometry(source_width, source_height, {}, g.width, g.height, fit, 1);
  part.grid_width = g.grid_width;
  part.grid_height = g.grid_height;
  return part;
}

Image cut(const Image& image, const Rect& r) {
  Image out(r.width, r.height, image.channels, image.type);
  out.icc = image.icc;
  const cv::Mat part = mat_of(image)(cv::Rect(r.x, r.y, r.width, r.height));
  cv::Mat target = mat_of(out);
  part.copyTo(target);
  return out;
}

Image pad_to_multiple(const Image& image, int block) {
  const auto up = [block](int n) { return (n + block - 1) / block * block; };
  Image out(up(image.width), up(image.height), image.channels, image.type);
  cv::Mat target = mat_of(out);
  cv::copyMakeBorder(mat_of(image), target, 0, out.height - image.height, 0,
                     out.width - image.width, cv::BORDER_REPLICATE);
  return out;
}

Image crop_picture(const Geometry& g, const Image& image) {
  if (image.width != g.source_width || image.height != g.source_height) {
    usage(str("a picture of ", image.width, "x", image.height, " was laid by the geometry of ",
              g.source_width, "x", g.source_height));
  }
  if (g.crop.width == image.width && g.crop.height == image.height) return image;
  return cut(image, g.crop);
}

Image visible_picture(const Geometry& g, const Image& image) {
  return shown(g, resize(crop_picture(g, image), g.scaled_width, g.scaled_height));
}

Image place_picture(const Geometry& g, const Image& image) {
  return framed(g, visible_picture(g, image), cv::BORDER_REPLICATE);
}

Image place_mask(const Geometry& g, const Image& mask) {
  Image grey = crop_picture(g, to_mask8(mask));
  if (grey.width != g.scaled_width || grey.height != g.scaled_height) {
    const bool is_smaller =
        int64_t(g.scaled_width) * g.scaled_height < int64_t(grey.width) * grey.height;
    Image out(g.scaled_width, g.scaled_height, 1);
    cv::Mat target = mat_of(out);
    cv::resize(mat_of(grey), target, target.size(), 0, 0,
               is_smaller ? cv::INTER_AREA : cv::INTER_LINEAR);
    grey = std::move(out);
  }
  return framed(g, shown(g, std::move(grey)), cv::BORDER_REPLICATE);
}

Image place_map(const Geometry& g, const Image& map, Compat compat) {
  const Image part = crop_picture(g, map);
  const Image visible = shown(g, resize_map(part, g.scaled_width, g.scaled_height, compat));
  return framed(g, visible, cv::BORDER_CONSTANT, edge_median(part));
}

int pixel_perfect_resolution(const Geometry& g) {
  const double x = double(g.width) / g.crop.width, y = double(g.height) / g.crop.height;
  const double k = g.fit == Fit::kFill ? std::min(x, y) : std::max(x, y);
  return std::max(1, int(std::nearbyint(k * std::min(g.crop.width, g.crop.height))));
}

}  // namespace dedit

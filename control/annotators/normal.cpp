// Surface normals from a depth map (near is bright): Sobel slopes and a constant towards the
// viewer, as the "normal_map" annotator of ControlNet 1.0 makes them from MiDaS depth; blue is x,
// green y, red the constant, as there.
#include <cmath>
#include <numbers>

#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"normal_map", "normal-map"};
constexpr Param kParams[] = {
    {.name = "background",
     .kind = ParamKind::kReal,
     .value = 0.4,
     .min = 0,
     .max = 1,
     .help = "share of the depth range below which a pixel is far and faces the viewer"},
    {.name = "flatness",
     .kind = ParamKind::kReal,
     .value = 2 * std::numbers::pi,
     .min = 0.01,
     .max = 1000,
     .help = "weight of the viewer's direction; lower makes slopes steeper"},
};

template <class T>
float depth_at(const T* p, int channels, float scale) {
  const bool is_colour = channels >= 3;
  const float grey =
      is_colour ? 0.299f * float(p[0]) + 0.587f * float(p[1]) + 0.114f * float(p[2]) : float(p[0]);
  const bool is_grey = !is_colour || (p[0] == p[1] && p[1] == p[2]);
  return (is_grey ? float(p[0]) : grey) * scale;
}

template <class T>
void fill_depth(const Image& image, float scale, cv::Mat& depth) {
  const bool has_alpha = image.has_alpha();
  for (int y = 0; y < image.height; ++y) {
    const T* p = image.row<T>(y);
    for (int x = 0; x < image.width; ++x, p += image.channels) {
      const bool is_hole = has_alpha && p[image.channels - 1] == T(0);
      depth.at<float>(y, x) = is_hole ? 0 : depth_at(p, image.channels, scale);
    }
  }
}

/// Depth in 0..255 at the picture's own precision; transparent pixels are far.
cv::Mat depth_of(const Image& image) {
  cv::Mat depth(image.height, image.width, CV_32FC1);
  switch (image.type) {
    case PixelType::kU8:
      fill_depth<uint8_t>(image, 1.0f, depth);
      break;
    case PixelType::kU16:
      fill_depth<uint16_t>(image, 1.0f / 257.0f, depth);
      break;
    case PixelType::kF32:
      fill_depth<float>(image, 255.0f, depth);
      break;
  }
  return depth;
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const float z = float(args.get(kParams, "flatness"));
  const cv::Mat depth = depth_of(image);
  double low = 0;
  double high = 0;
  cv::minMaxLoc(depth, &low, &high);
  const float least = float(low);
  const float range = float(high) - least;
  const float background = float(args.get(kParams, "background"));
  cv::Mat dx, dy;
  cv::Sobel(depth, dx, CV_32F, 1, 0, 3);
  cv::Sobel(depth, dy, CV_32F, 0, 1, 3);
  cv::Mat map(depth.size(), CV_8UC3);
  parallel_for(map.rows, [&](int64_t y) {
    uint8_t* dst = map.ptr<uint8_t>(int(y));
    for (int i = 0; i < map.cols; ++i, dst += 3) {
      const float near = range > 0 ? (depth.at<float>(int(y), i) - least) / range : 0;
      const float sx = near < background ? 0 : dx.at<float>(int(y), i);
      const float sy = near < background ? 0 : dy.at<float>(int(y), i);
      const float length = std::sqrt(sx * sx + sy * sy + z * z);
      const float rgb[3] = {z / length, sy / length, sx / length};
      for (int c = 0; c < 3; ++c) {
        dst[c] = uint8_t(std::clamp(rgb[c] * 127.5f + 127.5f, 0.0f, 255.0f));
      }
    }
  });
  Annotation result = annotation_of(map);
  if (range == 0) result.warnings.push_back("normal: the depth map has one value only");
  return result;
}

}  // namespace

extern const Annotator normal;
const Annotator normal = {
    .name = "normal",
    .summary = "surface normals from a depth map (near is bright)",
    .paper = "",
    .params = kParams,
    .run = run,
    .aliases = kAliases,
};

}  // namespace dedit::annotators

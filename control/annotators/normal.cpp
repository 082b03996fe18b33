// Surface normals from a depth map (near is bright) that the user has.
#include "annotators/normals.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"normal_map", "normal-map"};
constexpr Param kParams[] = {kBackgroundParam, kFlatnessParam};

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
  const cv::Mat depth = depth_of(image);
  Annotation result = annotation_of(normals_of(depth, float(args.get(kParams, "background")),
                                               float(args.get(kParams, "flatness"))));
  double low = 0;
  double high = 0;
  cv::minMaxLoc(depth, &low, &high);
  if (low == high) result.warnings.push_back("normal: the depth map has one value only");
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

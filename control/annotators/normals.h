// Surface normals of a depth map: Sobel slopes and a constant towards the viewer, as the
// "normal_map" annotator of ControlNet 1.0 makes them; blue is x, green y, red the constant.
#pragma once

#include <cmath>
#include <numbers>

#include "annotators/maps.h"

namespace dedit::annotators {

constexpr Param kBackgroundParam = {
    .name = "background",
    .kind = ParamKind::kReal,
    .value = 0.4,
    .min = 0,
    .max = 1,
    .help = "share of the depth range below which a pixel is far and faces the viewer"};
constexpr Param kFlatnessParam = {
    .name = "flatness",
    .kind = ParamKind::kReal,
    .value = 2 * std::numbers::pi,
    .min = 0.01,
    .max = 1000,
    .help = "weight of the viewer's direction; lower makes slopes steeper"};

/// `depth` f32, near is large -> 8UC3.
inline cv::Mat normals_of(const cv::Mat& depth, float background, float flatness) {
  double low = 0;
  double high = 0;
  cv::minMaxLoc(depth, &low, &high);
  const float least = float(low);
  const float range = float(high) - least;
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
      const float length = std::sqrt(sx * sx + sy * sy + flatness * flatness);
      const float rgb[3] = {flatness / length, sy / length, sx / length};
      for (int c = 0; c < 3; ++c) {
        dst[c] = uint8_t(std::clamp(rgb[c] * 127.5f + 127.5f, 0.0f, 255.0f));
      }
    }
  });
  return map;
}

}  // namespace dedit::annotators

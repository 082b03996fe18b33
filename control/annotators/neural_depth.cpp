#include "annotators/neural_depth.h"

#include <cmath>

#include "core/str.h"

namespace dedit::annotators {
namespace {

/// numpy.round (half to even) to the multiple, then down (up) to it where that passes `bound`.
int rounded(double px, int multiple, int bound, bool is_least) {
  int side = int(std::nearbyint(px / multiple)) * multiple;
  if (!is_least && side > bound) side = int(std::floor(px / multiple)) * multiple;
  if (is_least && side < bound) side = int(std::ceil(px / multiple)) * multiple;
  return std::clamp(side, multiple, Image::kMaxSide);
}

cv::Size net_size(const DepthKind& how, const Image& image, cv::Size fixed) {
  const double kx = double(how.side) / image.width;
  const double ky = double(how.side) / image.height;
  const double k = how.is_cover ? std::max(kx, ky) : std::min(kx, ky);
  cv::Size size(rounded(k * image.width, how.multiple, how.side, how.is_cover),
                rounded(k * image.height, how.multiple, how.side, how.is_cover));
  if (fixed.width > 0) size.width = fixed.width;
  if (fixed.height > 0) size.height = fixed.height;
  return size;
}

}  // namespace

const DepthKind kMidasSmall = {
    .kind = {.annotator = "midas", .file = "midas", .outputs = "1 map of depth", .counts = {1}},
    .side = 256,
    .multiple = 32,
    .is_cover = false,
    .stretch = cv::INTER_CUBIC,
};

cv::Mat depth_map(const DepthKind& how, const NeuralNet& net, const Image& image) {
  const Rgb8 rgb(image);
  cv::Mat picture;
  rgb_view(*rgb).convertTo(picture, CV_32F, 1 / 255.0);
  cv::resize(picture, picture, net_size(how, image, net.size()), 0, 0, cv::INTER_CUBIC);
  cv::subtract(picture, cv::Scalar(0.485, 0.456, 0.406), picture);  // ImageNet's means, ...
  cv::divide(picture, cv::Scalar(0.229, 0.224, 0.225), picture);    // ... and deviations
  cv::Mat depth;
  cv::resize(net.run(picture).front().front(), depth, cv::Size(image.width, image.height), 0, 0,
             how.stretch);
  return depth;
}

Annotation depth_annotation(const cv::Mat& depth, const NeuralNet& net) {
  double low = 0;
  double high = 0;
  cv::minMaxLoc(depth, &low, &high);
  const float least = float(low);
  const float range = float(high) - least;
  cv::Mat map(depth.size(), CV_8UC1);
  parallel_for(map.rows, [&](int64_t y) {
    const float* src = depth.ptr<float>(int(y));
    uint8_t* dst = map.ptr<uint8_t>(int(y));
    for (int x = 0; x < map.cols; ++x) {
      dst[x] = range > 0 ? uint8_t((src[x] - least) / range * 255.0f) : uint8_t(0);
    }
  });
  Annotation result = annotation_of(map, net);
  if (!(range > 0)) result.warnings.push_back("the network sees one depth only: the map is black");
  return result;
}

}  // namespace dedit::annotators

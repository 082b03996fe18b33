#include "annotators/neural_maps.h"

#include <cmath>

#include "annotators/cubic.h"
#include "core/str.h"

namespace dedit::annotators {
namespace {

constexpr int kMultiple = 64;  // of the web extension's resize_image_with_pad

cv::Size scaled(cv::Size own, int resolution) {
  constexpr double kMostAspect = 4;
  const double k = std::min(double(resolution) / std::min(own.width, own.height),
                            kMostAspect * resolution / std::max(own.width, own.height));
  const auto side = [k](int px) {  // numpy.round: half to even
    return std::clamp(int(std::nearbyint(px * k)), 1, Image::kMaxSide);
  };
  return {side(own.width), side(own.height)};
}

int padding(int side) {
  return (kMultiple - side % kMultiple) % kMultiple;
}

cv::Size padded(cv::Size size) {
  return {size.width + padding(size.width), size.height + padding(size.height)};
}

/// Ridges over `threshold` along the four directions, 0 and 255 (HED's non-maximum suppression).
cv::Mat ridges(const cv::Mat& soft, float threshold) {
  cv::Mat lines[4];
  for (cv::Mat& line : lines) line = cv::Mat::zeros(3, 3, CV_8UC1);
  for (int i = 0; i < 3; ++i) {
    lines[0].at<uint8_t>(1, i) = lines[1].at<uint8_t>(i, 1) = 1;
    lines[2].at<uint8_t>(i, i) = lines[3].at<uint8_t>(i, 2 - i) = 1;
  }
  cv::Mat kept = cv::Mat::zeros(soft.size(), CV_8UC1);
  for (const cv::Mat& line : lines) {
    cv::Mat most;
    cv::dilate(soft, most, line);
    cv::bitwise_or(kept, most == soft, kept);
  }
  return kept & (soft > threshold);
}

/// The mean of logit maps, each stretched to `size`, through a sigmoid; one map that a network's
/// own Sigmoid made stays as it is. f64.
cv::Mat mean_edges(const NeuralNet& net, const std::vector<Planes>& maps, cv::Size size) {
  cv::Mat sum;
  for (const Planes& map : maps) {
    cv::Mat full;
    cv::resize(map.front(), full, size, 0, 0, cv::INTER_LINEAR);
    sum = sum.empty() ? full.clone() : cv::Mat(sum + full);
  }
  const bool is_done = maps.size() == 1 && net.model().outputs.front().op == "Sigmoid";
  cv::Mat edges(size, CV_64FC1);
  const float n = float(maps.size());
  parallel_for(size.height, [&](int64_t y) {
    const float* src = sum.ptr<float>(int(y));
    double* dst = edges.ptr<double>(int(y));
    for (int x = 0; x < size.width; ++x) {
      const double mean = double(src[x] / n);
      dst[x] = is_done ? mean : 1 / (1 + std::exp(-mean));
    }
  });
  return edges;
}

/// Shares of white to 8 bit, in `safe_steps` levels (0: all).
cv::Mat edges_8bit(const cv::Mat& shares, int safe_steps) {
  cv::Mat f64;
  shares.convertTo(f64, CV_64F);
  cv::Mat map(shares.size(), CV_8UC1);
  parallel_for(map.rows, [&](int64_t y) {
    const double* src = f64.ptr<double>(int(y));
    uint8_t* dst = map.ptr<uint8_t>(int(y));
    for (int x = 0; x < map.cols; ++x) {
      double v = src[x];
      if (safe_steps > 0) v = float(int(float(v) * float(safe_steps + 1))) / float(safe_steps);
      dst[x] = uint8_t(std::clamp(v * 255, 0.0, 255.0));
    }
  });
  return map;
}

/// Strokes of a soft edge map, 0 and 255.
cv::Mat scribble_of(const cv::Mat& edges) {
  cv::Mat soft;
  edges.convertTo(soft, CV_32F);
  cv::GaussianBlur(soft, soft, cv::Size(0, 0), 3);
  cv::Mat strokes = ridges(soft, 127);
  cv::GaussianBlur(strokes, strokes, cv::Size(0, 0), 3);
  return strokes > 4;
}

}  // namespace

Fitted::Fitted(const Image& image, const NeuralNet& net, int resolution)
    : own_(image.width, image.height), inner_(own_) {
  const Rgb8 rgb(image);
  const cv::Mat source = rgb_view(*rgb);
  const cv::Size fixed = net.size();
  if (fixed.width > 0) inner_.width = fixed.width;
  if (fixed.height > 0) inner_.height = fixed.height;
  if (fixed == cv::Size()) {
    if (resolution > 0) inner_ = scaled(own_, resolution);
    while (!net.takes(padded(inner_)) && inner_ != cv::Size(1, 1)) {
      constexpr double kLess = 0.95;
      is_too_large_ = true;
      inner_ = {std::max(1, int(inner_.width * kLess)), std::max(1, int(inner_.height * kLess))};
    }
  }
  cv::Mat resized = source;
  if (inner_.area() < own_.area()) {
    cv::resize(source, resized, inner_, 0, 0, cv::INTER_AREA);
  } else if (inner_ != own_) {
    resized = cv::Mat(inner_, CV_8UC3);
    resize_cubic(source, resized);
  }
  const int right = fixed.width > 0 ? 0 : padding(inner_.width);
  const int bottom = fixed.height > 0 ? 0 : padding(inner_.height);
  cv::copyMakeBorder(resized, picture_, 0, bottom, 0, right, cv::BORDER_REPLICATE);
}

cv::Mat Fitted::back(const cv::Mat& map) const {
  const cv::Mat inner = map(cv::Rect(cv::Point(0, 0), inner_));
  if (inner_ == own_) return inner;
  cv::Mat result;
  cv::resize(inner, result, own_, 0, 0, cv::INTER_LINEAR);
  return result;
}

Annotation annotation_of(const cv::Mat& map, const NeuralNet& net) {
  Annotation result = annotation_of(map);
  result.hashes = net.hashes();
  return result;
}

Annotation Fitted::annotation_of(const cv::Mat& map, const NeuralNet& net) const {
  Annotation result = annotators::annotation_of(map, net);
  if (is_too_large_) {
    result.notes.push_back(str("OpenCV cannot run this network on ", own_.width, "x", own_.height,
                               " pixels: it saw ", inner_.width, "x", inner_.height));
  }
  return result;
}

Annotation soft_edges(const SoftEdges& how, const Image& image, const AnnotatorArgs& args,
                      std::span<const Param> params) {
  const NeuralNet net(how.kind, args);
  const Fitted fitted(image, net, int(args.get(params, "resolution")));
  cv::Mat picture;
  fitted.picture().convertTo(picture, CV_32F);
  if (how.is_unit) picture.convertTo(picture, CV_32F, 1 / 255.0);
  if (how.is_bgr) cv::cvtColor(picture, picture, cv::COLOR_RGB2BGR);
  std::vector<Planes> maps = net.run(picture);
  const cv::Mat shares =
      how.takes_last ? maps.back().front() : mean_edges(net, maps, fitted.picture().size());
  const cv::Mat edges = fitted.back(edges_8bit(shares, int(args.get(params, "safe-steps"))));
  return fitted.annotation_of(how.is_scribble ? scribble_of(edges) : edges, net);
}

}  // namespace dedit::annotators

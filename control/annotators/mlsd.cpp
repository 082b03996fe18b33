// Straight line segments by M-LSD: its network gives the middles of segments and, from each, the
// way to both ends; the 200 best middles that no neighbour beats are drawn.
#include <cmath>
#include <numeric>

#include "annotators/neural_maps.h"

namespace dedit::annotators {
namespace {

constexpr Param kParams[] = {
    kModelParam,
    kResolutionParam,
    {.name = "value",
     .kind = ParamKind::kReal,
     .value = 0.1,
     .min = 0.01,
     .max = 2,
     .help = "least score of a segment"},
    {.name = "distance",
     .kind = ParamKind::kReal,
     .value = 0.1,
     .min = 0.01,
     .max = 20,
     .help = "least length of a segment, in steps of 2 pixels"},
};

constexpr int kMostSegments = 200;
constexpr double kStride = 2;  // pixels per cell of the network's maps

struct Middle {
  float score;
  int x, y;
};

/// The best cells of the score map that are the largest of their 3x3 neighbourhood, best first.
std::vector<Middle> best_middles(const cv::Mat& logits) {
  cv::Mat heat(logits.size(), CV_32FC1);
  for (int y = 0; y < heat.rows; ++y) {
    for (int x = 0; x < heat.cols; ++x) {
      heat.at<float>(y, x) = 1 / (1 + std::exp(-logits.at<float>(y, x)));
    }
  }
  cv::Mat most;
  cv::dilate(heat, most, cv::Mat::ones(3, 3, CV_8UC1));
  std::vector<Middle> middles;
  for (int y = 0; y < heat.rows; ++y) {
    for (int x = 0; x < heat.cols; ++x) {
      const float score = heat.at<float>(y, x);
      if (score == most.at<float>(y, x)) middles.push_back({score, x, y});
    }
  }
  std::stable_sort(middles.begin(), middles.end(),
                   [](const Middle& a, const Middle& b) { return a.score > b.score; });
  if (middles.size() > kMostSegments) middles.resize(kMostSegments);
  return middles;
}

/// Truncated, and far enough out where a network says something absurd.
cv::Point2i whole(double x, double y) {
  constexpr double kFar = 1 << 20;
  return {int(std::clamp(x, -kFar, kFar)), int(std::clamp(y, -kFar, kFar))};
}

/// `sx`, `sy`: pixels of the canvas per pixel that the network saw.
void draw_segments(const Planes& planes, const AnnotatorArgs& args, double sx, double sy,
                   cv::Mat& canvas) {
  const auto least_score = float(args.get(kParams, "value"));
  const auto least_length = float(args.get(kParams, "distance"));
  for (const Middle& middle : best_middles(planes[0])) {
    float way[4];  // x, y to one end; x, y to the other
    for (int i = 0; i < 4; ++i) way[i] = planes[size_t(i) + 1].at<float>(middle.y, middle.x);
    const float dx = way[0] - way[2];
    const float dy = way[1] - way[3];
    if (!(middle.score > least_score && std::sqrt(dx * dx + dy * dy) > least_length)) continue;
    const auto end = [&](int i) {
      return whole(kStride * (middle.x + double(way[i])) * sx,
                   kStride * (middle.y + double(way[i + 1])) * sy);
    };
    cv::line(canvas, end(0), end(2), 255, 1);
  }
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  constexpr int kPlanes = 9;  // score, four ways, and four of another branch
  const NeuralNet net({.annotator = "mlsd",
                       .channels = 4,
                       .outputs = "1 output of 9 maps",
                       .counts = {1},
                       .planes = kPlanes},
                      args);
  const Fitted fitted(image, net, int(args.get(kParams, "resolution")));
  cv::Mat picture(fitted.picture().size(), CV_8UC4, cv::Scalar::all(1));  // the fourth channel is 1
  cv::mixChannels(fitted.picture(), picture, {0, 0, 1, 1, 2, 2});
  picture.convertTo(picture, CV_32F, 1 / 127.5, -1);
  const Planes planes = net.run(picture).front();
  const double sx = double(image.width) / fitted.inner().width;
  const double sy = double(image.height) / fitted.inner().height;
  // Drawn with the padding and then cut: a line clipped before it is drawn takes other pixels.
  cv::Mat canvas = cv::Mat::zeros(
      cv::Size(int(std::ceil(picture.cols * sx)), int(std::ceil(picture.rows * sy))), CV_8UC1);
  draw_segments(planes, args, sx, sy, canvas);
  return fitted.annotation_of(canvas(cv::Rect(0, 0, image.width, image.height)), net);
}

}  // namespace

extern const Annotator mlsd;
const Annotator mlsd = {
    .name = "mlsd",
    .summary = "straight line segments (M-LSD), by a network",
    .paper = "Gu et al. 2022, arXiv:2106.00186",
    .params = kParams,
    .run = run,
};

}  // namespace dedit::annotators

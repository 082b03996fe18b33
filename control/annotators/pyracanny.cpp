// Canny edges of nine sizes of the picture at once, as Fooocus' PyraCanny: from a fifth of the size
// up, each level's edges are mixed into the enlarged ones before, channel by channel; the sum of
// the channels is stretched between its 1st and 99th percentile.
#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr Param kParams[] = {
    {.name = "low",
     .kind = ParamKind::kInt,
     .value = 64,
     .min = 0,
     .max = 1020,
     .help = "gradient from which a pixel continues an edge"},
    {.name = "high",
     .kind = ParamKind::kInt,
     .value = 128,
     .min = 0,
     .max = 1020,
     .help = "gradient from which a pixel starts an edge"},
};

/// How many channels have an edge by themselves, 0 to 3. Levels are mixed linearly, so channels may
/// be summed first.
cv::Mat channel_edges(const cv::Mat& rgb, double low, double high) {
  cv::Mat channels[3];
  cv::split(rgb, channels);
  for (cv::Mat& channel : channels) {
    cv::Mat edges;
    cv::Canny(channel, edges, low, high);
    channel = edges & 1;
  }
  cv::Mat sum;
  cv::Mat(channels[0] + channels[1] + channels[2]).convertTo(sum, CV_32F);
  return sum;
}

cv::Mat mixed_edges(const cv::Mat& rgb, double low, double high) {
  cv::Mat mixed;
  for (const double k : {0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0}) {
    const cv::Size size(std::max(1, int(rgb.cols * k)), std::max(1, int(rgb.rows * k)));
    cv::Mat small;
    cv::resize(rgb, small, size, 0, 0, cv::INTER_AREA);
    const cv::Mat edges = channel_edges(small, low, high);
    if (mixed.empty()) {
      mixed = edges;
      continue;
    }
    cv::resize(mixed, mixed, size, 0, 0, cv::INTER_LINEAR);
    cv::addWeighted(mixed, 0.75, edges, 0.25, 0, mixed);
  }
  return mixed;
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const Rgb8 rgb(image);
  const cv::Mat edges =
      mixed_edges(rgb_view(*rgb), args.get(kParams, "low"), args.get(kParams, "high"));
  std::vector<float> sorted(edges.begin<float>(), edges.end<float>());
  const float black = percentile(sorted, 1);
  const float range = percentile(sorted, 99) - black;
  cv::Mat map = cv::Mat::zeros(edges.size(), CV_8UC1);
  if (range > 0) {  // else hardly an edge: nothing to stretch
    std::transform(edges.begin<float>(), edges.end<float>(), map.begin<uint8_t>(),
                   [black, range](float v) {
                     return uint8_t(std::clamp((v - black) / range * 255.0f, 0.0f, 255.0f));
                   });
  }
  return annotation_of(map);
}

}  // namespace

extern const Annotator pyracanny;
const Annotator pyracanny = {
    .name = "pyracanny",
    .summary = "soft edges from Canny at nine sizes of the picture",
    .paper = "",
    .params = kParams,
    .run = run,
    .control = "canny",
};

}  // namespace dedit::annotators

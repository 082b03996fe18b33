// Line art from a drawing on white: what is darker than its surroundings, scaled by the median of
// the lines, as the ControlNet web extension's lineart_standard.
#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"lineart_standard"};
constexpr Param kParams[] = {
    {.name = "sigma",
     .kind = ParamKind::kReal,
     .value = 6,
     .min = 0.1,
     .max = 100,
     .help = "of the Gaussian that stands for the surroundings, in pixels"},
    {.name = "intensity",
     .kind = ParamKind::kReal,
     .value = 8,
     .min = 0,
     .max = 16,
     .help = "levels from which a pixel counts as a line when their median is taken"},
};

constexpr float kLeastMedian = 16;  // so that noise on blank paper is not blown up

/// numpy.median; that of nothing is NaN, and max(16, NaN) is 16 there: here by intent.
float median_of_lines(const cv::Mat& depth, float intensity) {
  std::vector<float> lines;
  for (int y = 0; y < depth.rows; ++y) {
    const float* row = depth.ptr<float>(y);
    std::copy_if(row, row + depth.cols, std::back_inserter(lines),
                 [=](float v) { return v > intensity; });
  }
  if (lines.empty()) return kLeastMedian;
  const auto middle = lines.begin() + std::ptrdiff_t(lines.size() / 2);
  std::nth_element(lines.begin(), middle, lines.end());
  const float below = lines.size() % 2 == 1 ? *middle : *std::max_element(lines.begin(), middle);
  return std::max(kLeastMedian, (below + *middle) / 2);
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const cv::Mat source = to_f32(image);
  const cv::Mat around = blurred_f32(source, args.get(kParams, "sigma"));
  cv::Mat depth(source.size(), CV_32FC1);  // how much darker than the surroundings
  parallel_for(depth.rows, [&](int64_t y) {
    const float* x0 = source.ptr<float>(int(y));
    const float* g = around.ptr<float>(int(y));
    float* dst = depth.ptr<float>(int(y));
    for (int x = 0; x < depth.cols; ++x, x0 += 3, g += 3) {
      dst[x] = std::clamp(std::min({g[0] - x0[0], g[1] - x0[1], g[2] - x0[2]}), 0.0f, 255.0f);
    }
  });
  const float median = median_of_lines(depth, float(args.get(kParams, "intensity")));
  cv::Mat map(source.size(), CV_8UC1);
  parallel_for(map.rows, [&](int64_t y) {
    const float* src = depth.ptr<float>(int(y));
    uint8_t* dst = map.ptr<uint8_t>(int(y));
    for (int x = 0; x < map.cols; ++x) dst[x] = uint8_t(std::min(src[x] / median * 127, 255.0f));
  });
  return annotation_of(map);
}

}  // namespace

extern const Annotator lineart_standard;
const Annotator lineart_standard = {
    .name = "lineart-standard",
    .summary = "soft white lines on black from a drawing on white paper",
    .paper = "",
    .params = kParams,
    .run = run,
    .control = "lineart",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

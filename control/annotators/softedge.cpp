// Soft edges without a network: gradients of the picture blurred by 1, 2, 4 ... pixels, each scaled
// by its blur so that all widths of edges weigh the same (Lindeberg 1998, gamma = 1), averaged, and
// stretched so that the strongest hundredth is white.
#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr Param kParams[] = {
    {.name = "scales",
     .kind = ParamKind::kInt,
     .value = 3,
     .min = 1,
     .max = 6,
     .help = "widths of blur, each twice the one before"},
    {.name = "safe-steps",
     .kind = ParamKind::kInt,
     .value = 0,
     .min = 0,
     .max = 10,
     .help =
         "round to so many levels, so that nothing of the picture hides in the greys; 0 is off"},
};

constexpr double kWhite = 99;      // percentile
constexpr float kLeastWhite = 64;  // a step of some 16 levels: flat pictures stay black

/// sum += sigma * the largest channel's gradient (3x3 Sobel).
void add_gradient(const cv::Mat& source, double sigma, cv::Mat& sum) {
  const cv::Mat soft = blurred_f32(source, sigma);
  cv::Mat dx, dy;
  cv::Sobel(soft, dx, CV_32F, 1, 0, 3);
  cv::Sobel(soft, dy, CV_32F, 0, 1, 3);
  parallel_for(sum.rows, [&](int64_t y) {
    const float* a = dx.ptr<float>(int(y));
    const float* b = dy.ptr<float>(int(y));
    float* dst = sum.ptr<float>(int(y));
    for (int x = 0; x < sum.cols; ++x, a += 3, b += 3) {
      float most = 0;
      for (int c = 0; c < 3; ++c) most = std::max(most, a[c] * a[c] + b[c] * b[c]);
      dst[x] += float(sigma) * std::sqrt(most);
    }
  });
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const int scales = int(args.get(kParams, "scales"));
  const int steps = int(args.get(kParams, "safe-steps"));
  const cv::Mat source = to_f32(image);
  cv::Mat sum = cv::Mat::zeros(source.size(), CV_32FC1);
  for (int k = 0; k < scales; ++k) add_gradient(source, double(1 << k), sum);
  std::vector<float> all(sum.begin<float>(), sum.end<float>());
  const float white = std::max(percentile(all, kWhite), kLeastWhite * float(scales));
  cv::Mat map(sum.size(), CV_8UC1);
  parallel_for(map.rows, [&](int64_t y) {
    const float* src = sum.ptr<float>(int(y));
    uint8_t* dst = map.ptr<uint8_t>(int(y));
    for (int x = 0; x < map.cols; ++x) {
      float v = std::min(src[x] / white, 1.0f);
      if (steps > 0) v = std::min(float(int(v * float(steps + 1))) / float(steps), 1.0f);
      dst[x] = uint8_t(v * 255.0f);
    }
  });
  return annotation_of(map);
}

}  // namespace

extern const Annotator softedge;
const Annotator softedge = {
    .name = "softedge",
    .summary = "soft edges of all widths, white on black (gradients at several scales)",
    .paper = "Lindeberg 1998, doi:10.1023/A:1008097225773",
    .params = kParams,
    .run = run,
};

}  // namespace dedit::annotators

// Canny edges exactly as cv2.Canny(rgb, low, high, L2gradient=l2) makes them: no blur, 3x3 Sobel
// with replicated borders, and on colour the channel with the largest gradient at each pixel.
// J. Canny, A Computational Approach to Edge Detection, IEEE PAMI 8(6), 1986.

#include <opencv2/imgproc.hpp>

#include "annotators/annotator.h"
#include "core/rgb8.h"
#include "core/str.h"

namespace dedit::annotators {
namespace {

// 1020 is the largest response of one 3x3 Sobel direction on 8-bit samples.
constexpr Param kParams[] = {
    {.name = "low",
     .kind = ParamKind::kReal,
     .value = 100,
     .min = 0,
     .max = 1020,
     .help = "gradient from which a pixel continues an edge; lower gives more detail"},
    {.name = "high",
     .kind = ParamKind::kReal,
     .value = 200,
     .min = 0,
     .max = 1020,
     .help = "gradient from which a pixel starts an edge"},
    {.name = "l2", .kind = ParamKind::kFlag, .help = "measure gradients by L2 norm, not |dx|+|dy|"},
};

/// Both, and nothing else.
bool is_black_and_white(const Image& rgb) {
  bool has_black = false;
  bool has_white = false;
  for (size_t i = 0; i < rgb.data.size(); i += 3) {
    const std::byte v = rgb.data[i];
    if (rgb.data[i + 1] != v || rgb.data[i + 2] != v) return false;
    if (v != std::byte{0} && v != std::byte{255}) return false;
    has_black |= v == std::byte{0};
    has_white |= v == std::byte{255};
  }
  return has_black && has_white;
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const double low = args.get(kParams, "low");
  const double high = args.get(kParams, "high");
  const Image rgb = to_rgb8(image);

  Annotation result{.map = Image(image.width, image.height, 3), .warnings = {}};
  if (low > high) {
    result.warnings.push_back(
        str("canny: --low ", low, " is above --high ", high, "; they were swapped"));
  }
  if (is_black_and_white(rgb)) {
    result.warnings.push_back(
        "canny: the picture is black and white only; if it is a finished edge map, use it as the "
        "hint itself");
  }
  const cv::Mat source(rgb.height, rgb.width, CV_8UC3, const_cast<std::byte*>(rgb.data.data()));
  cv::Mat edges;
  cv::Canny(source, edges, low, high, /*apertureSize=*/3, args.get(kParams, "l2") != 0);
  if (cv::countNonZero(edges) == 0) {
    result.warnings.push_back(
        str("canny: no edges at --low ", low, " --high ", high, "; lower both for more"));
  }
  cv::Mat map(rgb.height, rgb.width, CV_8UC3, result.map.data.data());
  cv::cvtColor(edges, map, cv::COLOR_GRAY2RGB);
  return result;
}

}  // namespace

extern const Annotator canny = {
    .name = "canny",
    .summary = "edges, one pixel wide, white on black (cv2.Canny on colour)",
    .paper = "Canny 1986, doi:10.1109/TPAMI.1986.4767851",
    .params = kParams,
    .run = run,
};

}  // namespace dedit::annotators

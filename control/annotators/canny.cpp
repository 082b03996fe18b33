// Canny edges exactly as cv2.Canny(rgb, low, high, L2gradient=l2) makes them: no blur, 3x3 Sobel
// with replicated borders, and on colour the channel with the largest gradient at each pixel.
// J. Canny, A Computational Approach to Edge Detection, IEEE PAMI 8(6), 1986.

#include <cmath>

#include "annotators/maps.h"
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
    {.name = "edge-density",
     .kind = ParamKind::kReal,
     .value = 0,
     .min = 0,
     .max = 0.5,
     .help = "share of the pixels that shall be edges: chooses --low and --high (twice low); "
             "0 is off"},
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

cv::Mat edges_of(const cv::Mat& rgb, double low, double high, bool l2) {
  cv::Mat edges;
  cv::Canny(rgb, edges, low, high, /*apertureSize=*/3, l2);
  return edges;
}

double density_of(const cv::Mat& edges) {
  return double(cv::countNonZero(edges)) / double(edges.total());
}

/// The high threshold, with low half of it, whose share of edges comes nearest to `density`. Edges
/// only grow fewer with rising thresholds, so halving the range finds it.
int high_for_density(const cv::Mat& rgb, double density, bool l2) {
  int low = 0;
  int high = 2 * 1020;  // past the largest gradient: no edges
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (density_of(edges_of(rgb, middle / 2.0, middle, l2)) > density ? low : high) = middle;
  }
  const auto error_at = [&](int t) {
    return std::abs(density_of(edges_of(rgb, t / 2.0, t, l2)) - density);
  };
  return error_at(low) < error_at(high) ? low : high;
}

std::string percent(double share) {
  return str(double(std::lround(share * 1000)) / 10, " %");
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const double density = args.get(kParams, "edge-density");
  const bool l2 = args.get(kParams, "l2") != 0;
  double low = args.get(kParams, "low");
  double high = args.get(kParams, "high");
  const Rgb8 rgb(image);
  std::vector<std::string> warnings;
  if (density > 0) {
    high = high_for_density(rgb_view(*rgb), density, l2);
    low = high / 2;
  } else if (low > high) {
    warnings.push_back(str("canny: --low ", low, " is above --high ", high, "; they were swapped"));
  }
  if (is_black_and_white(*rgb)) {
    warnings.push_back(
        "canny: the picture is black and white only; if it is a finished edge map, use it as the "
        "hint itself");
  }
  const cv::Mat edges = edges_of(rgb_view(*rgb), low, high, l2);
  const double share = density_of(edges);
  if (share == 0) {
    warnings.push_back(
        str("canny: no edges at --low ", low, " --high ", high, "; lower both for more"));
  }
  Annotation result = annotation_of(edges);
  result.warnings = std::move(warnings);
  result.notes.push_back(
      str("canny: thresholds ", low, "/", high, ", ", percent(share), " edge pixels"));
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

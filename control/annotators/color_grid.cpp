// Blocks of colour, as the T2I-Adapter's colour preprocessor: cubic down to one pixel a block, and
// up again without smoothing.
#include <cmath>

#include "annotators/cubic.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"color_grid", "t2ia_color_grid", "color"};
constexpr Param kParams[] = {
    {.name = "cell",
     .kind = ParamKind::kInt,
     .value = 64,
     .min = 1,
     .max = 1024,
     .help = "side of a block in pixels"},
    {.name = "resolution",
     .kind = ParamKind::kInt,
     .value = 0,
     .min = 0,
     .max = 4096,
     .help = "shorter side that the picture is scaled to first, as others do (512); 0 keeps it"},
};

cv::Size scaled_size(cv::Size size, int shorter) {
  const double k = double(shorter) / std::min(size.width, size.height);
  // Python's round: half to even.
  return {int(std::nearbyint(size.width * k)), int(std::nearbyint(size.height * k))};
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const int cell = int(args.get(kParams, "cell"));
  const int resolution = int(args.get(kParams, "resolution"));
  const Rgb8 rgb(image);
  const cv::Size size(rgb->width, rgb->height);
  cv::Mat m = rgb_view(*rgb);
  if (resolution > 0) cv::resize(m, m, scaled_size(size, resolution), 0, 0, cv::INTER_AREA);
  const cv::Size scaled = m.size();
  const cv::Size blocks(std::max(1, m.cols / cell), std::max(1, m.rows / cell));
  cv::Mat colours(blocks, CV_8UC3);
  resize_cubic(m, colours);
  if (scaled != size) cv::resize(colours, colours, scaled, 0, 0, cv::INTER_NEAREST);
  Annotation result = black_map(size);
  cv::resize(colours, pixels_of(result), size, 0, 0, cv::INTER_NEAREST);
  return result;
}

}  // namespace

extern const Annotator color_grid;
const Annotator color_grid = {
    .name = "color-grid",
    .summary = "blocks of the picture's colours",
    .paper = "Mou et al. 2023, arXiv:2302.08453",
    .params = kParams,
    .run = run,
    .control = "color",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

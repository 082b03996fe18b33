// A picture without its detail, for tile ControlNets. --rate as the web extension's tile_resample
// (area average; a rate under 1.1 changes nothing), enlarged again by cubics; --pyramid as the tile
// preprocessor of the ControlNet 1.1 demo (area average to 1/2^n, then n times pyrUp), on the
// picture continued by its last row and column to a multiple of 64.
#include "annotators/area.h"
#include "annotators/cubic.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"tile_resample"};
constexpr Param kParams[] = {
    {.name = "rate",
     .kind = ParamKind::kReal,
     .value = 1,
     .min = 1,
     .max = 8,
     .help = "factor by which the picture is made smaller; below 1.1 it stays"},
    {.name = "pyramid",
     .kind = ParamKind::kInt,
     .value = 0,
     .min = 0,
     .max = 6,
     .help = "levels of a pyramid to go down and up, instead of --rate; 0 is none"},
};

Annotation down_and_up(const cv::Mat& source, double rate) {
  const cv::Size size(std::max(1, int(source.cols / rate)), std::max(1, int(source.rows / rate)));
  Annotation result = black_map(source.size());
  resize_cubic(resize_area(source, size), pixels_of(result));
  return result;
}

/// Averages over blocks of 2^levels of the picture, continued by its last row and column. In bands:
/// no continued picture is made.
cv::Mat block_averages(const cv::Mat& source, int levels) {
  constexpr int kMultiple = 64;
  constexpr int kBand = 2 * kMultiple;
  const auto up = [](int n) { return (n + kMultiple - 1) / kMultiple * kMultiple; };
  const cv::Size whole(up(source.cols), up(source.rows));
  cv::Mat small(whole.height >> levels, whole.width >> levels, CV_8UC3);
  cv::Mat band;
  for (int y = 0; y < whole.height; y += kBand) {
    const int end = std::min(y + kBand, whole.height);
    const cv::Mat rows = source.rowRange(y, std::min(end, source.rows));
    cv::copyMakeBorder(rows, band, 0, end - y - rows.rows, 0, whole.width - source.cols,
                       cv::BORDER_REPLICATE);
    cv::Mat out = small.rowRange(y >> levels, end >> levels);
    cv::resize(band, out, out.size(), 0, 0, cv::INTER_AREA);
  }
  return small;
}

/// What cv::pyrUp makes of `m`, as much of it as `to` takes. In bands, which need a row on either
/// side.
void pyr_up(const cv::Mat& m, cv::Mat to) {
  constexpr int kBand = 64;
  cv::Mat large;
  for (int y = 0; 2 * y < to.rows; y += kBand) {
    const int first = std::max(0, y - 1);
    cv::pyrUp(m.rowRange(first, std::min(y + kBand + 1, m.rows)), large);
    const int rows = std::min(2 * kBand, to.rows - 2 * y);
    large(cv::Rect(0, 2 * (y - first), to.cols, rows)).copyTo(to.rowRange(2 * y, 2 * y + rows));
  }
}

Annotation through_pyramid(const cv::Mat& source, int levels) {
  cv::Mat m = block_averages(source, levels);
  for (int k = 1; k < levels; ++k) cv::pyrUp(m, m);
  Annotation result = black_map(source.size());
  pyr_up(m, pixels_of(result));
  return result;
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  constexpr double kLeastRate = 1.1;
  const double rate = args.get(kParams, "rate");
  const int levels = int(args.get(kParams, "pyramid"));
  if (levels == 0 && rate < kLeastRate) return {.is_picture = true};
  const Rgb8 rgb(image);
  return levels > 0 ? through_pyramid(rgb_view(*rgb), levels) : down_and_up(rgb_view(*rgb), rate);
}

}  // namespace

extern const Annotator tile;
const Annotator tile = {
    .name = "tile",
    .summary = "the picture without its fine detail",
    .paper = "",
    .params = kParams,
    .run = run,
    .aliases = kAliases,
};

}  // namespace dedit::annotators

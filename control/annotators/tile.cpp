// A picture without its detail, for tile ControlNets. --rate as the web extension's tile_resample
// (area average; a rate under 1.1 changes nothing), enlarged again by cubics; --pyramid as the tile
// preprocessor of the ControlNet 1.1 demo (area average to 1/2^n, then n times pyrUp), on the
// picture continued by its last row and column to a multiple of 64.
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
  cv::Mat small;
  cv::resize(source, small, size, 0, 0, cv::INTER_AREA);
  Annotation result = black_map(source.size());
  resize_cubic(small, pixels_of(result));
  return result;
}

cv::Mat through_pyramid(const cv::Mat& source, int levels) {
  constexpr int kBlock = 64;
  const auto missing = [](int n) { return (kBlock - n % kBlock) % kBlock; };
  cv::Mat m = source;
  if (missing(source.rows) + missing(source.cols) > 0) {
    cv::copyMakeBorder(source, m, 0, missing(source.rows), 0, missing(source.cols),
                       cv::BORDER_REPLICATE);
  }
  const cv::Size small(m.cols >> levels, m.rows >> levels);
  cv::resize(m, m, small, 0, 0, cv::INTER_AREA);
  for (int k = 0; k < levels; ++k) cv::pyrUp(m, m);
  return m(cv::Rect(0, 0, source.cols, source.rows));
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  constexpr double kLeastRate = 1.1;
  const double rate = args.get(kParams, "rate");
  const int levels = int(args.get(kParams, "pyramid"));
  const Rgb8 rgb(image);
  if (levels > 0) return annotation_of(through_pyramid(rgb_view(*rgb), levels));
  if (rate < kLeastRate) return annotation_of(rgb_view(*rgb));
  return down_and_up(rgb_view(*rgb), rate);
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

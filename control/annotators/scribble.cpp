// Scribble by extended difference of Gaussians, as the ControlNet web extension's scribble_xdog:
// white where 2 * (darkest channel of the difference) is over the threshold. The extension doubles
// in 8 bits, so that differences of 128..144 wrap around and strong lines get holes; that is kept
// under --compat webui only. H. Winnemoeller, XDoG, NPAR 2011.
#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"scribble_xdog", "xdog"};
constexpr std::string_view kCompat[] = {"dedit", "webui"};
constexpr Param kParams[] = {
    {.name = "threshold",
     .kind = ParamKind::kInt,
     .value = 32,
     .min = 1,
     .max = 64,
     .help = "contrast from which a line is drawn; lower draws more"},
    {.name = "compat",
     .kind = ParamKind::kChoice,
     .value = 0,
     .help = "webui repeats the web extension's overflow, which leaves holes in strong lines",
     .choices = kCompat},
};

/// 255 minus the difference, cut to 8 bits as the reference does; then back, 0 = no line.
int contrast(const float* fine, const float* coarse) {
  const float darkest = std::min({coarse[0] - fine[0], coarse[1] - fine[1], coarse[2] - fine[2]});
  return 255 - int(uint8_t(std::clamp(255.0f - darkest, 0.0f, 255.0f)));
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const int threshold = int(args.get(kParams, "threshold"));
  const bool wraps = args.get(kParams, "compat") != 0;
  const cv::Mat source = to_f32(image);
  const cv::Mat fine = blurred_f32(source, 0.5);
  const cv::Mat coarse = blurred_f32(source, 5.0);
  cv::Mat map(source.size(), CV_8UC1);
  parallel_for(map.rows, [&](int64_t y) {
    const float* a = fine.ptr<float>(int(y));
    const float* b = coarse.ptr<float>(int(y));
    uint8_t* dst = map.ptr<uint8_t>(int(y));
    for (int x = 0; x < map.cols; ++x) {
      const int doubled = 2 * contrast(a + 3 * x, b + 3 * x);
      dst[x] = (wraps ? doubled & 255 : doubled) > threshold ? 255 : 0;
    }
  });
  return annotation_of(map);
}

}  // namespace

extern const Annotator scribble;
const Annotator scribble = {
    .name = "scribble",
    .summary = "thick strokes, white on black (XDoG)",
    .paper = "Winnemoeller 2011, doi:10.1145/2024676.2024700",
    .params = kParams,
    .run = run,
    .aliases = kAliases,
};

}  // namespace dedit::annotators

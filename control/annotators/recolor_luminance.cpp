// CIE Lab lightness as grey, to colour a picture anew, with a gamma. The ControlNet web extension
// takes red for blue here; --compat webui repeats that.
#include <cmath>

#include "annotators/maps.h"
#include "core/rgb8.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"recolor_luminance"};
constexpr std::string_view kCompat[] = {"dedit", "webui"};
constexpr Param kParams[] = {
    {.name = "gamma",
     .kind = ParamKind::kReal,
     .value = 1,
     .min = 0.1,
     .max = 2,
     .help = "power on the grey; above 1 darkens"},
    {.name = "compat",
     .kind = ParamKind::kChoice,
     .value = 0,
     .help = "webui takes red for blue, as the web extension does",
     .choices = kCompat},
};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const float gamma = float(args.get(kParams, "gamma"));
  const bool swaps = args.get(kParams, "compat") != 0;
  const Image rgb = to_rgb8(image);
  cv::Mat lab, lightness;
  cv::cvtColor(rgb_view(rgb), lab, swaps ? cv::COLOR_BGR2Lab : cv::COLOR_RGB2Lab);
  cv::extractChannel(lab, lightness, 0);
  cv::Mat table(1, 256, CV_8UC1);
  for (int v = 0; v < 256; ++v) {
    const float raised = std::pow(float(v) / 255, gamma) * 255;
    table.at<uint8_t>(v) = uint8_t(std::clamp(raised, 0.0f, 255.0f));
  }
  cv::LUT(lightness, table, lightness);
  return annotation_of(lightness);
}

}  // namespace

extern const Annotator recolor_luminance;
const Annotator recolor_luminance = {
    .name = "recolor-luminance",
    .summary = "brightness as CIE lightness, to colour anew",
    .paper = "",
    .params = kParams,
    .run = run,
    .control = "recolor",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

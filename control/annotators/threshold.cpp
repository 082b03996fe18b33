// Black and white by the darkest channel, as the ControlNet web extension's "threshold".
#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr Param kParams[] = {
    {.name = "threshold",
     .kind = ParamKind::kInt,
     .value = 127,
     .min = 0,
     .max = 255,
     .help = "white where red, green and blue are all above this"},
};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const int threshold = int(args.get(kParams, "threshold"));
  return grey_map(image, [=](uint8_t r, uint8_t g, uint8_t b) {
    return uint8_t(std::min({r, g, b}) > threshold ? 255 : 0);
  });
}

}  // namespace

extern const Annotator threshold;
const Annotator threshold = {
    .name = "threshold",
    .summary = "white where every channel is above a threshold",
    .paper = "",
    .params = kParams,
    .run = run,
    .control = "scribble",
};

}  // namespace dedit::annotators

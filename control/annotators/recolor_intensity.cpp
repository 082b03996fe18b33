// The brightest channel as grey, to colour a picture anew: HSV's value, with a gamma.
#include <cmath>

#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"recolor_intensity"};
constexpr Param kParams[] = {
    {.name = "gamma",
     .kind = ParamKind::kReal,
     .value = 1,
     .min = 0.1,
     .max = 2,
     .help = "power on the grey; above 1 darkens"},
};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const float gamma = float(args.get(kParams, "gamma"));
  uint8_t table[256];
  for (int v = 0; v < 256; ++v) {
    table[v] = uint8_t(std::clamp(std::pow(float(v) / 255, gamma) * 255, 0.0f, 255.0f));
  }
  return grey_map(image, [&](uint8_t r, uint8_t g, uint8_t b) {
    return table[std::max({r, g, b})];
  });
}

}  // namespace

extern const Annotator recolor_intensity;
const Annotator recolor_intensity = {
    .name = "recolor-intensity",
    .summary = "brightness as the largest channel, to colour anew",
    .paper = "",
    .params = kParams,
    .run = run,
    .control = "recolor",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

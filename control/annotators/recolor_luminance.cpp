// CIE Lab lightness as grey, to colour a picture anew, with a gamma. The ControlNet web extension
// takes red for blue here; --compat webui repeats that. The lightness is OpenCV's 8-bit one for
// every colour, from tables of our own: OpenCV fills ones for a and b too before the first pixel.
#include <array>
#include <cmath>

#include "annotators/maps.h"

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

/// L of CIE Lab (D65) in 0..255, in fixed point: gamma with 3 more bits, cube root with 15.
class Lightness {
 public:
  Lightness() {
    for (size_t v = 0; v < linear_.size(); ++v) {
      const double u = double(v) / 255;
      const double l = u <= 0.04045 ? u / 12.92 : std::pow((u + 0.055) / 1.055, 2.4);
      linear_[v] = int(std::lround(255 * 8 * l));
    }
    for (size_t i = 0; i < root_.size(); ++i) {
      const double y = double(i) / (255 * 8);
      const double f = y < 216.0 / 24389 ? y * 841 / 108 + 16.0 / 116 : std::cbrt(y);
      root_[i] = int(std::lround(f * (1 << kBits)));
    }
  }

  int operator()(int r, int g, int b) const {
    // Rec. 709 luminance in 4096ths.
    const int y =
        (871 * linear_[size_t(r)] + 2929 * linear_[size_t(g)] + 296 * linear_[size_t(b)] + 2048) >>
        12;
    // 116 * f - 16, times 255 / 100.
    return std::clamp((296 * root_[size_t(y)] - 1336934 + (1 << (kBits - 1))) >> kBits, 0, 255);
  }

 private:
  static constexpr int kBits = 15;
  std::array<int, 256> linear_;
  std::array<int, 255 * 8 + 1> root_;
};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const float gamma = float(args.get(kParams, "gamma"));
  const bool swaps = args.get(kParams, "compat") != 0;
  const Lightness lightness;
  std::array<uint8_t, 256> table;
  for (size_t v = 0; v < table.size(); ++v) {
    const float raised = std::pow(float(v) / 255, gamma) * 255;
    table[v] = uint8_t(std::clamp(raised, 0.0f, 255.0f));
  }
  return grey_map(image, [&](uint8_t r, uint8_t g, uint8_t b) {
    return table[size_t(swaps ? lightness(b, g, r) : lightness(r, g, b))];
  });
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

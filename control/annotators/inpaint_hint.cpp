// The hint of inpainting ControlNets (control_v11p_sd15_inpaint): the picture, and -1 in all
// channels where the mask repaints. An 8-bit file cannot hold the -1, so a map written to one shows
// black there and does not serve as the hint; give the picture and the mask instead.
#include "annotators/annotator.h"
#include "core/rgb8.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"inpaint_hint"};
constexpr Param kParams[] = {
    {.name = "mask", .kind = ParamKind::kFile, .help = "white is repainted, black kept"},
};

/// The rule of these networks: a mask over one half repaints.
bool repaints(const Image& mask, int x, int y) {
  const uint8_t* p = mask.row<uint8_t>(y) + 3 * x;
  return luma601(p[0], p[1], p[2]) > 127;
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const std::string path = args.file("mask");
  if (path.empty()) {
    throw Error(ErrorKind::kUsage, "inpaint-hint: there is no mask", "add --mask FILE");
  }
  const Image mask = to_rgb8(load_image(path));
  if (mask.width != image.width || mask.height != image.height) {
    throw Error(ErrorKind::kUsage, str("inpaint-hint: the mask is ", mask.width, "x", mask.height,
                                       ", the picture ", image.width, "x", image.height));
  }
  const Image rgb = to_rgb8(image);
  Annotation result{.map = Image(image.width, image.height, 3, PixelType::kF32)};
  for (int y = 0; y < rgb.height; ++y) {
    const uint8_t* src = rgb.row<uint8_t>(y);
    float* dst = result.map.row<float>(y);
    for (int i = 0; i < 3 * rgb.width; ++i) {
      dst[i] = repaints(mask, i / 3, y) ? -1.0f : float(src[i]) / 255.0f;
    }
  }
  return result;
}

}  // namespace

extern const Annotator inpaint_hint;
const Annotator inpaint_hint = {
    .name = "inpaint-hint",
    .summary = "the picture with a hole where a mask is white",
    .paper = "",
    .params = kParams,
    .run = run,
    .control = "inpaint",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

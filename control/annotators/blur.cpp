// The picture blurred by OpenCV's 8-bit Gaussian (fixed point, reflect-101 borders), as the
// ControlNet web extension's blur_gaussian.
#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"blur_gaussian"};
constexpr Param kParams[] = {
    {.name = "sigma",
     .kind = ParamKind::kReal,
     .value = 9,
     .min = 0.01,
     .max = 64,
     .help = "of the Gaussian, in pixels"},
};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const Rgb8 rgb(image);
  Annotation result = black_map({image.width, image.height});
  cv::GaussianBlur(rgb_view(*rgb), pixels_of(result), cv::Size(0, 0), args.get(kParams, "sigma"));
  return result;
}

}  // namespace

extern const Annotator blur;
const Annotator blur = {
    .name = "blur",
    .summary = "the picture, blurred",
    .paper = "",
    .params = kParams,
    .run = run,
    .aliases = kAliases,
};

}  // namespace dedit::annotators

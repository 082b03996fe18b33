// A finished drawing as a hint: dark lines on white become white lines on black, which is what
// control networks for edges were trained on.
#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

Annotation run(const Image& image, const AnnotatorArgs&) {
  Annotation result{.map = to_rgb8(image), .warnings = {}};
  const cv::Mat map = pixels_of(result);
  cv::bitwise_not(map, map);
  result.map.text.clear();
  result.map.icc.clear();
  return result;
}

}  // namespace

extern const Annotator invert;
const Annotator invert = {
    .name = "invert",
    .summary = "black lines on white to white lines on black, colours to their complements",
    .paper = "",
    .params = {},
    .run = run,
};

}  // namespace dedit::annotators

// A finished map as it is: the picture in 8-bit RGB.
#include "annotators/annotator.h"
#include "core/rgb8.h"

namespace dedit::annotators {
namespace {

Annotation run(const Image& image, const AnnotatorArgs&) {
  Annotation result{.map = to_rgb8(image)};
  result.map.text.clear();
  result.map.icc.clear();
  return result;
}

}  // namespace

extern const Annotator none;
const Annotator none = {
    .name = "none",
    .summary = "the picture itself, as a finished map",
    .paper = "",
    .run = run,
};

}  // namespace dedit::annotators

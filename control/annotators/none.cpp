// A finished map as it is: the picture in 8-bit RGB.
#include "annotators/annotator.h"

namespace dedit::annotators {
namespace {

Annotation run(const Image&, const AnnotatorArgs&) {
  return {.is_picture = true};
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

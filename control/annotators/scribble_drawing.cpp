// A drawing on white paper as a scribble: dark strokes become white on black (ControlNet 1.0's
// scribble2image).
#include "annotators/maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"scribble_drawing", "scribble2image"};
constexpr int kDark = 127;

Annotation run(const Image& image, const AnnotatorArgs&) {
  return grey_map(image, [](uint8_t r, uint8_t g, uint8_t b) {
    return uint8_t(std::min({r, g, b}) < kDark ? 255 : 0);
  });
}

}  // namespace

extern const Annotator scribble_drawing;
const Annotator scribble_drawing = {
    .name = "scribble-drawing",
    .summary = "the dark strokes of a drawing on white, as white on black",
    .paper = "",
    .run = run,
    .control = "scribble",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

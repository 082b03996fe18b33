// Depth by MiDaS v2.1 small: at most 256 pixels on a side, multiples of 32, cubic, as its own
// transform has it.
#include "annotators/neural_depth.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"depth", "midas-small", "depth-midas-small"};
constexpr Param kParams[] = {kModelParam};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const NeuralNet net(kMidasSmall.kind, args);
  return depth_annotation(depth_map(kMidasSmall, net, image), net);
}

}  // namespace

extern const Annotator midas;
const Annotator midas = {
    .name = "midas",
    .summary = "depth, near is bright (MiDaS small), by a network",
    .paper = "Ranftl et al. 2020, arXiv:1907.01341",
    .params = kParams,
    .run = run,
    .control = "depth",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

// Strokes along PiDiNet's edges.
#include "annotators/neural_maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"scribble_pidinet"};
constexpr Param kParams[] = {kModelParam, kResolutionParam, safe_steps_param(0)};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const SoftEdges how = {
      .kind = {.annotator = "scribble-pidinet",
               .file = "pidinet",
               .outputs = "maps of edges, the fused one last",
               .counts = {}},
      .is_unit = true,
      .is_bgr = true,
      .takes_last = true,
      .is_scribble = true,
  };
  return soft_edges(how, image, args, kParams);
}

}  // namespace

extern const Annotator scribble_pidinet;
const Annotator scribble_pidinet = {
    .name = "scribble-pidinet",
    .summary = "thick strokes along soft edges (PiDiNet), by a network",
    .paper = "Su et al. 2021, arXiv:2108.07009",
    .params = kParams,
    .run = run,
    .control = "scribble",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

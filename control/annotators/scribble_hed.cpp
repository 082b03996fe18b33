// Strokes along HED's edges.
#include "annotators/neural_maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"scribble_hed"};
constexpr Param kParams[] = {kModelParam, kResolutionParam, safe_steps_param(0)};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const SoftEdges how = {
      .kind = {.annotator = "scribble-hed",
               .file = "hed",
               .outputs = "5 side maps, or 1 map, of edges",
               .counts = {1, 5}},
      .is_scribble = true,
  };
  return soft_edges(how, image, args, kParams);
}

}  // namespace

extern const Annotator scribble_hed;
const Annotator scribble_hed = {
    .name = "scribble-hed",
    .summary = "thick strokes along soft edges (HED), by a network",
    .paper = "Xie, Tu 2015, arXiv:1504.06375",
    .params = kParams,
    .run = run,
    .control = "scribble",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

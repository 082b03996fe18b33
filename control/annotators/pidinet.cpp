// Pixel-difference edges: the last of PiDiNet's maps.
#include "annotators/neural_maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"softedge-pidinet", "softedge_pidinet", "pidi"};
constexpr Param kParams[] = {kModelParam, kResolutionParam, safe_steps_param(0)};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const SoftEdges how = {
      .kind = {.annotator = "pidinet",
               .outputs = "maps of edges, the fused one last",
               .counts = {}},
      .is_unit = true,
      .is_bgr = true,
      .takes_last = true,
  };
  return soft_edges(how, image, args, kParams);
}

}  // namespace

extern const Annotator pidinet;
const Annotator pidinet = {
    .name = "pidinet",
    .summary = "soft edges (PiDiNet), by a network",
    .paper = "Su et al. 2021, arXiv:2108.07009",
    .params = kParams,
    .run = run,
    .control = "softedge",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

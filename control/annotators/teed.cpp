// Tiny and efficient edges: the mean of TEED's side maps and the fused one.
#include "annotators/neural_maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"softedge-teed", "softedge_teed"};
constexpr Param kParams[] = {kModelParam, kResolutionParam, safe_steps_param(2)};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const SoftEdges how = {
      .kind = {.annotator = "teed", .outputs = "4 maps, or 1 map, of edges", .counts = {1, 4}},
  };
  return soft_edges(how, image, args, kParams);
}

}  // namespace

extern const Annotator teed;
const Annotator teed = {
    .name = "teed",
    .summary = "soft edges (TEED), by a network",
    .paper = "Soria et al. 2023, arXiv:2308.06468",
    .params = kParams,
    .run = run,
    .control = "softedge",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

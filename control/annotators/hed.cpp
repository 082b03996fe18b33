// Holistically nested edges by the ControlNet authors' network (ControlNetHED): the mean of its
// side maps.
#include "annotators/neural_maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"softedge-hed", "softedge_hed"};
constexpr Param kParams[] = {kModelParam, kResolutionParam, safe_steps_param(0)};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const SoftEdges how = {
      .kind = {.annotator = "hed", .outputs = "5 side maps, or 1 map, of edges", .counts = {1, 5}},
  };
  return soft_edges(how, image, args, kParams);
}

}  // namespace

extern const Annotator hed;
const Annotator hed = {
    .name = "hed",
    .summary = "soft edges (HED), by a network",
    .paper = "Xie, Tu 2015, arXiv:1504.06375",
    .params = kParams,
    .run = run,
    .control = "softedge",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

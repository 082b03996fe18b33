// Depth by Depth Anything, version 1 or 2: at least 518 pixels on a side, multiples of 14, cubic;
// bilinear on the way back. Its network is a transformer: OpenCV before 4.9 lacks the operator
// LayerNormalization.
#include "annotators/neural_depth.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"depth_anything", "depth-anything-v2",
                                         "depth_anything_v2"};
constexpr Param kParams[] = {kModelParam};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const DepthKind how = {
      .kind = {.annotator = "depth-anything", .outputs = "1 map of depth", .counts = {1}},
      .side = 518,
      .multiple = 14,
      .is_cover = true,
      .stretch = cv::INTER_LINEAR,
  };
  const NeuralNet net(how.kind, args);
  return depth_annotation(depth_map(how, net, image), net);
}

}  // namespace

extern const Annotator depth_anything;
const Annotator depth_anything = {
    .name = "depth-anything",
    .summary = "depth, near is bright (Depth Anything), by a network",
    .paper = "Yang et al. 2024, arXiv:2406.09414",
    .params = kParams,
    .run = run,
    .control = "depth",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

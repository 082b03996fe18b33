// Surface normals from MiDaS small's depth, as the "normal_map" annotator of ControlNet 1.0 makes
// them.
#include <numbers>

#include "annotators/neural_depth.h"
#include "annotators/normals.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"normal-midas", "normal_midas"};
constexpr Param kParams[] = {kModelParam, kBackgroundParam, kFlatnessParam};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  NetKind kind = kMidasSmall.kind;
  kind.annotator = "midas-normal";
  const NeuralNet net(kind, args);
  const cv::Mat depth = depth_map(kMidasSmall, net, image);
  return annotation_of(normals_of(depth, float(args.get(kParams, "background")),
                                  float(args.get(kParams, "flatness"))),
                       net);
}

}  // namespace

extern const Annotator midas_normal;
const Annotator midas_normal = {
    .name = "midas-normal",
    .summary = "surface normals from depth (MiDaS small), by a network",
    .paper = "Ranftl et al. 2020, arXiv:1907.01341",
    .params = kParams,
    .run = run,
    .control = "normal",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

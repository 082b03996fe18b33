// Depth by DPT (MiDaS v3, hybrid or large), as controlnet_aux's MidasDetector has it. The network
// is a transformer: OpenCV before 4.9 lacks the operator LayerNormalization.
#include "annotators/neural_depth.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"depth-midas", "depth_midas"};
constexpr Param kParams[] = {
    kModelParam,
    {.name = "resolution",
     .kind = ParamKind::kInt,
     .value = 512,
     .min = 0,
     .max = 4096,
     .help =
         "shorter side at which the network sees the picture (the longer one at most four times "
         "that), where its size is free; 0: the picture's own"},
};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const NeuralNet net({.annotator = "dpt", .outputs = "1 map of depth", .counts = {1}}, args);
  const Fitted fitted(image, net, int(args.get(kParams, "resolution")));
  cv::Mat picture;
  fitted.picture().convertTo(picture, CV_32F, 1 / 127.5, -1);
  Annotation result = depth_annotation(net.run(picture).front().front(), net);
  const cv::Mat map = fitted.back(pixels_of(result));
  Annotation own = fitted.annotation_of(map, net);
  own.warnings = std::move(result.warnings);
  return own;
}

}  // namespace

extern const Annotator dpt;
const Annotator dpt = {
    .name = "dpt",
    .summary = "depth, near is bright (DPT, the MiDaS of ControlNet), by a network",
    .paper = "Ranftl, Bochkovskiy, Koltun 2021, arXiv:2103.13413",
    .params = kParams,
    .run = run,
    .control = "depth",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

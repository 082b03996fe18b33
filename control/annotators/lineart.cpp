// Line drawings by the ControlNet authors' generator (sk_model, and sk_model2 for coarse lines).
#include "annotators/neural_maps.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"lineart-realistic", "lineart_realistic", "lineart-coarse",
                                         "lineart_coarse"};
constexpr Param kParams[] = {kModelParam, kResolutionParam};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const NeuralNet net({.annotator = "lineart", .outputs = "1 map of lines", .counts = {1}}, args);
  const Fitted fitted(image, net, int(args.get(kParams, "resolution")));
  cv::Mat picture;
  fitted.picture().convertTo(picture, CV_32F, 1 / 255.0);
  const cv::Mat paper = net.run(picture).front().front();  // dark lines on 1
  cv::Mat map(paper.size(), CV_8UC1);
  parallel_for(map.rows, [&](int64_t y) {
    const float* src = paper.ptr<float>(int(y));
    uint8_t* dst = map.ptr<uint8_t>(int(y));
    for (int x = 0; x < map.cols; ++x) dst[x] = uint8_t(std::clamp(src[x] * 255.0f, 0.0f, 255.0f));
  });
  return fitted.annotation_of(255 - fitted.back(map), net);
}

}  // namespace

extern const Annotator lineart;
const Annotator lineart = {
    .name = "lineart",
    .summary = "lines as an artist draws them, white on black, by a network",
    .paper = "Chan, Durand, Isola 2022, arXiv:2203.12691",
    .params = kParams,
    .run = run,
    .aliases = kAliases,
};

}  // namespace dedit::annotators

// Lines of anime drawings by the U-Net of "Anime2Sketch". It halves its maps eight times, so the
// picture is stretched to multiples of 256, and the map back, as the reference does.
#include "annotators/cubic.h"
#include "annotators/neural_maps.h"
#include "core/str.h"

namespace dedit::annotators {
namespace {

constexpr std::string_view kAliases[] = {"lineart_anime"};
constexpr Param kParams[] = {kModelParam};

constexpr int kMultiple = 256;

int rounded_up(int side) {
  return (side + kMultiple - 1) / kMultiple * kMultiple;
}

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const NeuralNet net({.annotator = "lineart-anime", .outputs = "1 map of lines", .counts = {1}},
                      args);
  const Rgb8 rgb(image);
  const cv::Size own(image.width, image.height);
  const cv::Size fixed = net.size();
  cv::Size size(fixed.width > 0 ? fixed.width : rounded_up(own.width),
                fixed.height > 0 ? fixed.height : rounded_up(own.height));
  bool is_too_large = false;
  while (fixed == cv::Size() && !net.takes(size) && size != cv::Size(kMultiple, kMultiple)) {
    int& longer = size.width > size.height ? size.width : size.height;
    longer -= kMultiple;
    is_too_large = true;
  }
  cv::Mat picture(size, CV_8UC3);
  resize_cubic(rgb_view(*rgb), picture);
  picture.convertTo(picture, CV_32F, 1 / 127.5, -1);
  cv::Mat paper = net.run(picture).front().front();  // dark lines on 1
  paper.convertTo(paper, CV_32F, 127.5, 127.5);
  cv::resize(paper, paper, own, 0, 0, cv::INTER_CUBIC);
  cv::Mat map(own, CV_8UC1);
  parallel_for(map.rows, [&](int64_t y) {
    const float* src = paper.ptr<float>(int(y));
    uint8_t* dst = map.ptr<uint8_t>(int(y));
    for (int x = 0; x < map.cols; ++x) {
      dst[x] = uint8_t(255 - uint8_t(std::clamp(src[x], 0.0f, 255.0f)));
    }
  });
  Annotation result = annotation_of(map, net);
  if (is_too_large) {
    result.notes.push_back(str("OpenCV cannot run this network on ", own.width, "x", own.height,
                               " pixels: it saw ", size.width, "x", size.height));
  }
  return result;
}

}  // namespace

extern const Annotator lineart_anime;
const Annotator lineart_anime = {
    .name = "lineart-anime",
    .summary = "lines of anime drawings, white on black, by a network",
    .paper = "Xiang et al. 2021, arXiv:2104.05703",
    .params = kParams,
    .run = run,
    .control = "lineart-anime",
    .aliases = kAliases,
};

}  // namespace dedit::annotators

// Black and white by grey value, with Otsu's threshold on request. The grey is OpenCV's fixed-point
// Rec. 601. N. Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE SMC 9(1), 1979.
#include "annotators/maps.h"
#include "core/str.h"

namespace dedit::annotators {
namespace {

constexpr Param kParams[] = {
    {.name = "threshold",
     .kind = ParamKind::kInt,
     .value = 100,
     .min = 0,
     .max = 255,
     .help = "white where the grey value is above this; 0 and 255 let Otsu's method choose"},
};

Annotation run(const Image& image, const AnnotatorArgs& args) {
  const double threshold = args.get(kParams, "threshold");
  const bool is_automatic = threshold == 0 || threshold == 255;
  const Rgb8 rgb(image);
  cv::Mat grey;
  cv::cvtColor(rgb_view(*rgb), grey, cv::COLOR_RGB2GRAY);
  const double used = cv::threshold(grey, grey, threshold, 255,
                                    cv::THRESH_BINARY | (is_automatic ? cv::THRESH_OTSU : 0));
  Annotation result = annotation_of(grey);
  if (is_automatic) result.notes.push_back(str("binary: threshold ", used));
  return result;
}

}  // namespace

extern const Annotator binary;
const Annotator binary = {
    .name = "binary",
    .summary = "black and white by grey value, by a threshold or Otsu's method",
    .paper = "Otsu 1979, doi:10.1109/TSMC.1979.4310076",
    .params = kParams,
    .run = run,
    .control = "scribble",
};

}  // namespace dedit::annotators

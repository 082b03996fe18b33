// What annotators with a network share: the size at which it sees the picture, and soft edges
// (controlnet_aux 0.0.10 and the ControlNet web extension are the references).
#pragma once

#include "annotators/maps.h"
#include "annotators/neural_net.h"

namespace dedit::annotators {

constexpr Param kResolutionParam = {
    .name = "resolution",
    .kind = ParamKind::kInt,
    .value = 0,
    .min = 0,
    .max = 4096,
    .help =
        "shorter side at which the network sees the picture (the longer one at most four times "
        "that); 0: the picture's own"};

constexpr Param safe_steps_param(int steps) {
  return {.name = "safe-steps",
          .kind = ParamKind::kInt,
          .value = double(steps),
          .min = 0,
          .max = 10,
          .help =
              "round to so many levels, so that nothing of the picture hides in the greys; "
              "0 is off"};
}

/// A picture on its way to a network and its map on the way back: resized to the network's fixed
/// size, or to `resolution`; then, where sizes are free, its edges repeated up to a multiple of 64
/// as the ControlNet web extension does. Smaller where the network does not take the size.
class Fitted {
 public:
  Fitted(const Image& image, const NeuralNet& net, int resolution);

  /// 8-bit RGB as the network is to see it.
  const cv::Mat& picture() const { return picture_; }
  /// The map [picture().size()] without what was added, at the picture's own size.
  cv::Mat back(const cv::Mat& map) const;
  /// The part of picture() that is not padding.
  cv::Size inner() const { return inner_; }
  /// The map with the hash of the network's file, and a word where the picture had to be made
  /// smaller.
  Annotation annotation_of(const cv::Mat& map, const NeuralNet& net) const;

 private:
  cv::Size own_, inner_;
  bool is_too_large_ = false;
  cv::Mat picture_;
};

/// A map of 8UC1 or 8UC3 with the hash of the network's file.
Annotation annotation_of(const cv::Mat& map, const NeuralNet& net);

/// How a network of soft edges is used.
struct SoftEdges {
  NetKind kind;
  bool is_unit = false;      ///< it takes 0..1, not 0..255
  bool is_bgr = false;       ///< blue first
  bool takes_last = false;   ///< the last output is the map, in 0..1; else the mean of all, logits
  bool is_scribble = false;  ///< ridges of the map, thickened, black and white only
};

/// `params` has resolution and safe-steps. Maps are white on black and truncate to 8 bit, as the
/// references do.
Annotation soft_edges(const SoftEdges& how, const Image& image, const AnnotatorArgs& args,
                      std::span<const Param> params);

}  // namespace dedit::annotators

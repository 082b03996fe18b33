// Depth by a network: the picture at the size it was trained for, and its map back at the
// picture's.
#pragma once

#include "annotators/neural_maps.h"

namespace dedit::annotators {

/// How a network of depth wants its picture (the transforms of MiDaS and of Depth Anything).
struct DepthKind {
  NetKind kind;
  int side = 0;           ///< what its sides are scaled to, where its size is free
  int multiple = 1;       ///< what they are rounded to
  bool is_cover = false;  ///< `side` is the least side; else the largest
  int stretch = 0;        ///< cv::INTER_ of the map on its way back
};

/// Depth as the network has it, f32, the picture's size, near is large; colours are normalised by
/// ImageNet's means and deviations.
cv::Mat depth_map(const DepthKind& how, const NeuralNet& net, const Image& image);

/// From the smallest to the largest value, 0..255, truncated. A flat map is black, with a warning.
Annotation depth_annotation(const cv::Mat& depth, const NeuralNet& net);

/// MiDaS v2.1 small.
extern const DepthKind kMidasSmall;

}  // namespace dedit::annotators

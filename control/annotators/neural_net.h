// Networks that annotators run, from ONNX files the user has: by ONNX Runtime where it is there,
// else by OpenCV's DNN module.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core.hpp>

#include "annotators/annotator.h"
#include "annotators/neural_onnx.h"

namespace dedit::annotators {

/// The maps of one output, CV_32FC1 each.
using Planes = std::vector<cv::Mat>;

/// Stands first in the table of every annotator with a network.
constexpr Param kModelParam = {
    .name = kNetworkParam,
    .kind = ParamKind::kFile,
    .help = "the network, an ONNX file; not given: KIND.onnx in $DEDIT_ANNOTATOR_MODELS"};

/// What an annotator wants of its network, for messages and checks.
struct NetKind {
  std::string_view annotator;
  std::string_view file = {};  ///< name of its file in $DEDIT_ANNOTATOR_MODELS; empty: annotator
  int channels = 3;            ///< of the picture
  std::string_view outputs;    ///< "5 maps of edges"
  std::vector<size_t> counts;  ///< numbers of outputs it understands; empty: any
  int planes = 1;              ///< of each output
};

/// One that runs a network: an engine of another library behind it.
class NeuralEngine {
 public:
  virtual ~NeuralEngine() = default;
  /// Input [1, C, H, W] f32 -> outputs in the file's order. Throws Error(kModel).
  virtual std::vector<cv::Mat> run(const cv::Mat& blob) = 0;
};

/// OpenCV's; sizes are fixed, so it serves one `shape` of the input.
std::unique_ptr<NeuralEngine> open_opencv(std::span<const std::byte> bytes, const OnnxModel& model,
                                          std::span<const int64_t> shape, const std::string& path);
/// ONNX Runtime's; null where dedit was built without it, or its library is not installed.
std::unique_ptr<NeuralEngine> open_onnxruntime(std::span<const std::byte> bytes,
                                               const OnnxModel& model, const std::string& path);

class NeuralNet {
 public:
  /// Reads and checks the file. Throws Error(kUsage) without one, Error(kInput) for one that cannot
  /// be read, Error(kModel) for one that is not such a network.
  NeuralNet(NetKind kind, const AnnotatorArgs& args);

  /// The size of pictures it takes, 0 where any.
  cv::Size size() const { return size_; }
  /// Whether the engine can take pictures of that size.
  bool takes(cv::Size size) const;
  const OnnxModel& model() const { return model_; }
  /// SHA-256 of the file, by its parameter's name, for recipes.
  std::map<std::string, std::string> hashes() const {
    return {{std::string(kNetworkParam), sha256_}};
  }
  /// `picture`, CV_32F of kind.channels, through the network. Throws Error(kModel) naming the
  /// operator if one is missing, or the output that is not what the annotator wants; Error(kUsage)
  /// for a size that it does not take.
  std::vector<Planes> run(const cv::Mat& picture) const;

 private:
  void check_signature() const;
  Planes planes_of(const cv::Mat& blob) const;

  NetKind kind_;
  std::string path_;
  std::vector<std::byte> bytes_;
  std::string sha256_;
  OnnxModel model_;
  cv::Size size_;
  std::unique_ptr<NeuralEngine> runtime_;  ///< ONNX Runtime's, or null: then OpenCV's is used
};

}  // namespace dedit::annotators

// OpenCV's DNN module as an engine.
#include <regex>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>

#include "annotators/neural_net.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

namespace logging = cv::utils::logging;

/// OpenCV prints what it also throws.
class Silence {
 public:
  Silence() : before_(logging::setLogLevel(logging::LOG_LEVEL_SILENT)) {}
  ~Silence() { logging::setLogLevel(before_); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  logging::LogLevel before_;
};

/// What OpenCV says of a file it cannot run, as one sentence. Its messages name the operator:
/// `Node [Erf@ai.onnx]:(name) parse error ...`, `Can't create layer "name" of type "Erf"`.
[[noreturn]] void fail(const cv::Exception& error, const std::string& path) {
  constexpr const char* kHint =
      "export it with opset 11, or install ONNX Runtime (Debian 13: libonnxruntime-dev) and build "
      "dedit anew";
  const std::string engine = str(path, ": OpenCV ", CV_VERSION, " cannot run ");
  std::smatch found;
  const std::regex of_node(R"(Node \[([A-Za-z0-9_.]+)@)");
  const std::regex of_layer(R"re(layer "[^"]*" of type "([^"]+)")re");
  if (std::regex_search(error.err, found, of_layer) ||
      std::regex_search(error.err, found, of_node)) {
    throw Error(ErrorKind::kModel, engine + "its operator " + found[1].str(), kHint);
  }
  throw Error(ErrorKind::kModel, str(engine, "the network (", error.func, ")"), kHint);
}

class OpencvEngine : public NeuralEngine {
 public:
  OpencvEngine(const std::string& bytes, const OnnxModel& model, std::string path)
      : path_(std::move(path)) {
    for (const OnnxOutput& output : model.outputs) outputs_.push_back(output.name);
    try {
      const Silence silence;
      net_ = cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
      net_.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    } catch (const cv::Exception& error) {
      fail(error, path_);
    }
  }

  std::vector<cv::Mat> run(const cv::Mat& blob) override {
    try {
      const Silence silence;
      net_.setInput(blob);
      std::vector<cv::Mat> made;
      net_.forward(made, outputs_);
      return made;
    } catch (const cv::Exception& error) {
      fail(error, path_);
    }
  }

 private:
  std::string path_;
  std::vector<std::string> outputs_;
  cv::dnn::Net net_;
};

}  // namespace

std::unique_ptr<NeuralEngine> open_opencv(std::span<const std::byte> bytes, const OnnxModel& model,
                                          std::span<const int64_t> shape, const std::string& path) {
  const std::string fixed = with_input_shape(bytes, model.inputs[0].name, shape);
  return std::make_unique<OpencvEngine>(with_old_clips(std::as_bytes(std::span(fixed))), model,
                                        path);
}

}  // namespace dedit::annotators

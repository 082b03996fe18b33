#include "annotators/neural_net.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <opencv2/imgproc.hpp>

#include "core/sha256.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

namespace fs = std::filesystem;

std::string model_path(const NetKind& kind, const AnnotatorArgs& args) {
  const std::string given = args.file(kNetworkParam);
  if (!given.empty()) return given;
  const char* folder = std::getenv("DEDIT_ANNOTATOR_MODELS");
  const std::string file = str(kind.file.empty() ? kind.annotator : kind.file, ".onnx");
  if (folder != nullptr && *folder != '\0') return (fs::path(folder) / file).string();
  throw Error(ErrorKind::kUsage, str(kind.annotator, ": there is no network"),
              str("add --", kNetworkParam,
                  " F.onnx, or set DEDIT_ANNOTATOR_MODELS to a folder with ", file));
}

constexpr uintmax_t kMostBytes = uintmax_t(2) << 30;  // protobuf's own bound

std::vector<std::byte> read_model_file(const std::string& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (!fs::is_regular_file(status)) {
    throw Error(ErrorKind::kInput,
                str(path, fs::exists(status) ? ": is not a file" : ": no such file"));
  }
  const uintmax_t size = fs::file_size(path, failure);
  if (failure || size > kMostBytes) {
    throw Error(ErrorKind::kInput, str(path, ": cannot be read, or is over 2 GiB"));
  }
  std::vector<std::byte> bytes(size);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), std::streamsize(size));
  if (!file && size > 0) throw Error(ErrorKind::kInput, str(path, ": cannot be read"));
  return bytes;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    text += str(text.size() > 1 ? ", " : "", size > 0 ? std::to_string(size) : "any");
  }
  return text + "]";
}

std::string counts_text(const std::vector<size_t>& counts) {
  std::string text;
  for (const size_t n : counts) text += str(text.empty() ? "" : " or ", n);
  return text;
}

}  // namespace

NeuralNet::NeuralNet(NetKind kind, const AnnotatorArgs& args)
    : kind_(std::move(kind)), path_(model_path(kind_, args)), bytes_(read_model_file(path_)) {
  Sha256 hash;
  hash.update(bytes_);
  sha256_ = hash.hex();
  model_ = read_onnx(bytes_, path_);
  check_signature();
  const std::vector<int64_t>& shape = model_.inputs[0].shape;
  size_ = cv::Size(int(shape[3]), int(shape[2]));
  runtime_ = open_onnxruntime(bytes_, model_, path_);
}

bool NeuralNet::takes(cv::Size size) const {
  // OpenCV's deconvolution counts in 32 bits to (kernel's side * a side of its output * pixels of
  // its input) and reads beyond its memory past them (4.6; 2000x2000 crash).
  constexpr double kMost = 2147483647.0;
  const double sides = double(std::max(size.width, size.height)) * size.width * size.height;
  return runtime_ != nullptr || model_.deconvolution * sides < kMost;
}

void NeuralNet::check_signature() const {
  const std::string hint = str(kind_.annotator, " wants a network of one input [1, ",
                               kind_.channels, ", height, width] and ", kind_.outputs);
  if (model_.inputs.size() != 1) {
    throw Error(ErrorKind::kModel, str(path_, ": takes ", model_.inputs.size(), " inputs, not 1"),
                hint);
  }
  const std::vector<int64_t>& shape = model_.inputs[0].shape;
  const auto is_free_or = [](int64_t size, int64_t wanted) { return size == 0 || size == wanted; };
  constexpr int64_t kMostSide = Image::kMaxSide;
  if (shape.size() != 4 || !is_free_or(shape[0], 1) || !is_free_or(shape[1], kind_.channels) ||
      shape[2] > kMostSide || shape[3] > kMostSide) {
    throw Error(ErrorKind::kModel, str(path_, ": takes an input of shape ", shape_text(shape)),
                hint);
  }
  const size_t n = model_.outputs.size();
  const auto& counts = kind_.counts;
  const bool is_counted =
      counts.empty() || std::find(counts.begin(), counts.end(), n) != counts.end();
  if (n == 0 || !is_counted) {
    throw Error(
        ErrorKind::kModel,
        str(path_, ": has ", n, " outputs", counts.empty() ? "" : ", not ", counts_text(counts)),
        hint);
  }
}

Planes NeuralNet::planes_of(const cv::Mat& blob) const {
  std::vector<int64_t> shape;
  for (int i = 0; i < blob.dims; ++i) shape.push_back(blob.size[i]);
  // [1, planes, h, w]; depth networks leave the planes out.
  const bool has_planes = blob.dims == 4;
  const int planes = has_planes ? blob.size[1] : 1;
  if ((blob.dims != 3 && blob.dims != 4) || blob.size[0] != 1 || planes != kind_.planes ||
      blob.type() != CV_32FC1 || blob.total() == 0) {
    throw Error(ErrorKind::kModel, str(path_, ": has an output of shape ", shape_text(shape)),
                str(kind_.annotator, " wants ", kind_.outputs));
  }
  const int h = blob.size[blob.dims - 2];
  const int w = blob.size[blob.dims - 1];
  Planes result;
  for (int c = 0; c < planes; ++c) {
    float* data = const_cast<float*>(blob.ptr<float>()) + size_t(c) * size_t(h) * size_t(w);
    result.push_back(cv::Mat(h, w, CV_32FC1, data).clone());
  }
  return result;
}

std::vector<Planes> NeuralNet::run(const cv::Mat& picture) const {
  const int h = picture.rows;
  const int w = picture.cols;
  if (!takes(picture.size())) {
    throw Error(ErrorKind::kUsage,
                str(kind_.annotator, ": OpenCV cannot run this network on ", w, "x", h, " pixels"),
                "make the picture smaller, or install ONNX Runtime and build dedit anew");
  }
  const std::vector<int> sizes = {1, kind_.channels, h, w};
  cv::Mat blob(sizes, CV_32F);
  std::vector<cv::Mat> channels;
  for (int c = 0; c < kind_.channels; ++c) {
    channels.emplace_back(h, w, CV_32FC1, blob.ptr<float>() + size_t(c) * size_t(h) * size_t(w));
  }
  cv::split(picture, channels);
  const std::vector<int64_t> shape(sizes.begin(), sizes.end());
  const auto opencv = runtime_ ? nullptr : open_opencv(bytes_, model_, shape, path_);
  std::vector<Planes> outputs;
  for (const cv::Mat& output : (runtime_ ? *runtime_ : *opencv).run(blob))
    outputs.push_back(planes_of(output));
  for (const Planes& planes : outputs) {
    for (const cv::Mat& plane : planes) {
      if (cv::checkRange(plane)) continue;
      throw Error(ErrorKind::kModel, str(path_, ": made values that are not numbers"),
                  "the file is damaged, or not the network that " + std::string(kind_.annotator) +
                      " wants");
    }
  }
  return outputs;
}

}  // namespace dedit::annotators

// ONNX Runtime as an engine. Only its headers are needed to build; the library is opened when a
// network is to run, so that the tool starts as fast with it as without, and runs where it is not.
#include "annotators/neural_net.h"

#ifdef DEDIT_ONNXRUNTIME

#define ORT_API_MANUAL_INIT
#include <array>
#include <dlfcn.h>
#include <onnxruntime_cxx_api.h>

#include "core/parallel.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

/// The library's functions; null where it is not installed or older than the headers.
const OrtApi* load_api() {
  void* library = dlopen("libonnxruntime.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen("libonnxruntime.so", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  using GetBase = const OrtApiBase* (*)();
  const auto get_base = reinterpret_cast<GetBase>(dlsym(library, "OrtGetApiBase"));
  return get_base == nullptr ? nullptr : get_base()->GetApi(ORT_API_VERSION);
}

[[noreturn]] void fail(const Ort::Exception& error, const std::string& path) {
  std::string why = error.what();
  why = why.substr(0, why.find('\n'));
  throw Error(ErrorKind::kModel, str(path, ": ONNX Runtime cannot run the network (", why, ")"));
}

class RuntimeEngine : public NeuralEngine {
 public:
  RuntimeEngine(std::span<const std::byte> bytes, const OnnxModel& model, std::string path)
      : path_(std::move(path)), environment_(ORT_LOGGING_LEVEL_FATAL), session_(nullptr) {
    input_ = model.inputs[0].name;
    for (const OnnxOutput& output : model.outputs) outputs_.push_back(output.name);
    try {
      Ort::SessionOptions options;
      options.SetIntraOpNumThreads(num_threads());
      session_ = Ort::Session(environment_, bytes.data(), bytes.size(), options);
    } catch (const Ort::Exception& error) {
      fail(error, path_);
    }
  }

  std::vector<cv::Mat> run(const cv::Mat& blob) override {
    const std::vector<int64_t> shape(blob.size.p, blob.size.p + blob.dims);
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeCPU);
    try {
      const Ort::Value input = Ort::Value::CreateTensor<float>(
          memory, const_cast<float*>(blob.ptr<float>()), blob.total(), shape.data(), shape.size());
      const std::array<const char*, 1> inputs = {input_.c_str()};
      std::vector<const char*> names;
      for (const std::string& name : outputs_) names.push_back(name.c_str());
      std::vector<Ort::Value> made = session_.Run(Ort::RunOptions(nullptr), inputs.data(), &input,
                                                  1, names.data(), names.size());
      std::vector<cv::Mat> result;
      for (Ort::Value& value : made) result.push_back(copy_of(value));
      return result;
    } catch (const Ort::Exception& error) {
      fail(error, path_);
    }
  }

 private:
  cv::Mat copy_of(Ort::Value& value) const {
    const auto info = value.GetTensorTypeAndShapeInfo();
    if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
      throw Error(ErrorKind::kModel, path_ + ": has an output that is not of 32-bit floats");
    }
    const std::vector<int64_t> shape = info.GetShape();
    const std::vector<int> sizes(shape.begin(), shape.end());
    return cv::Mat(sizes, CV_32F, value.GetTensorMutableData<float>()).clone();
  }

  std::string path_, input_;
  std::vector<std::string> outputs_;
  Ort::Env environment_;
  Ort::Session session_;
};

}  // namespace

std::unique_ptr<NeuralEngine> open_onnxruntime(std::span<const std::byte> bytes,
                                               const OnnxModel& model, const std::string& path) {
  static const OrtApi* const api = load_api();
  if (api == nullptr) return nullptr;
  Ort::InitApi(api);
  return std::make_unique<RuntimeEngine>(bytes, model, path);
}

}  // namespace dedit::annotators

#else

namespace dedit::annotators {

std::unique_ptr<NeuralEngine> open_onnxruntime(std::span<const std::byte>, const OnnxModel&,
                                               const std::string&) {
  return nullptr;
}

}  // namespace dedit::annotators

#endif

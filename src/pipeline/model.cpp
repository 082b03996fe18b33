#include "dedit/model.h"

#include "backend/devices.h"
#include "core/str.h"
#include "pipeline/loaded_model.h"

namespace dedit {
namespace {

// One axis, --precision, with --dtype as the override.
DType choose_dtype(const ModelOptions& options, bool is_gpu, std::string& why) {
  if (options.dtype == "f32" || options.dtype == "bf16") {
    why = "asked for";
    return options.dtype == "f32" ? DType::kF32 : DType::kBF16;
  }
  if (options.dtype == "f16") {
    why = "asked for";
    if (is_gpu) return DType::kF16;
    throw Error(ErrorKind::kUsage, "--dtype f16 needs a GPU; this computes on the CPU",
                "use --dtype bf16 or f32");
  }
  if (!options.dtype.empty()) {
    throw Error(ErrorKind::kUsage, str("--dtype ", options.dtype, " is unknown"),
                "one of f32, bf16, f16");
  }
  if (options.precision == Precision::kExact) {
    why = "exact precision";
    return DType::kF32;
  }
  if (!is_gpu) return cpu_auto_dtype(why);
  why = "bf16: the GPU's tensor cores multiply it";
  return DType::kBF16;
}

}  // namespace

Model Model::load(const std::string& path, const ModelOptions& options) {
  ChosenDevice device = choose_device(options.device, {.low_memory = options.low_memory});
  std::string why;
  const DType dtype = choose_dtype(options, device.is_gpu, why);
  Model model;
  model.impl_ = load_model(resolve_model_path(path), std::move(device.backend), dtype);
  model.impl_->dtype_reason = why;
  model.impl_->device_reason = device.why;
  return model;
}

const std::string& Model::path() const {
  return impl_->path;
}
std::string Model::family() const {
  return std::string(impl_->family->name);
}
int Model::native_size() const {
  return impl_->network_spec.native_cells * impl_->latent.factor;
}
const std::string& Model::dtype() const {
  return impl_->dtype_name;
}
const std::string& Model::dtype_reason() const {
  return impl_->dtype_reason;
}
std::string Model::backend() const {
  return impl_->backend->description();
}
const std::string& Model::device_reason() const {
  return impl_->device_reason;
}
const std::string& Model::fingerprint() const {
  return impl_->fingerprint;
}

}  // namespace dedit

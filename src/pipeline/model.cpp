#include "dedit/model.h"

#include "core/str.h"
#include "pipeline/loaded_model.h"

namespace dedit {
namespace {

// One axis, --precision, with --dtype as the override.
DType choose_dtype(const ModelOptions& options, std::string& why) {
  if (options.dtype == "f32" || options.dtype == "bf16") {
    why = "asked for";
    return options.dtype == "f32" ? DType::kF32 : DType::kBF16;
  }
  if (options.dtype == "f16") {
    throw Error(ErrorKind::kUsage, "--dtype f16 needs a GPU; this build computes on the CPU",
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
  return cpu_auto_dtype(why);
}

}  // namespace

Model Model::load(const std::string& path, const ModelOptions& options) {
  std::string why;
  const DType dtype = choose_dtype(options, why);
  Model model;
  model.impl_ = load_model(resolve_model_path(path), make_cpu_backend(), dtype);
  model.impl_->dtype_reason = why;
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
const std::string& Model::fingerprint() const {
  return impl_->fingerprint;
}

}  // namespace dedit

#include <filesystem>

#include "core/str.h"
#include "io/canonical.h"
#include "io/checkpoint.h"
#include "io/file_kind.h"
#include "io/shown.h"
#include "io/weight_files.h"

#include "dedit/error.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kControlExpected =
    "a ControlNet is a diffusers folder or a .safetensors file with control_model.* or "
    "controlnet_cond_embedding.* tensors";

[[noreturn]] void refuse_kind(const std::string& path, const NamedKind& found) {
  throw Error(ErrorKind::kModel, str(path, ": ", not_what(found, "a ControlNet")),
              kControlExpected);
}

Component open_controlnet_folder(const fs::path& folder) {
  if (is_file(folder / "model_index.json")) {
    throw Error(ErrorKind::kModel,
                str(folder.string(), ": this is a whole model, not a ControlNet"),
                kControlExpected);
  }
  const std::string config = read_small_text(folder / "config.json");
  const std::string name = class_name(config);
  if (!name.empty() && name != "ControlNetModel") {
    throw Error(ErrorKind::kModel,
                str(folder.string(), ": this is a network of class ", shown(name),
                    ", not a ControlNetModel"),
                kControlExpected);
  }
  const WeightSet weights = open_weight_folder(folder);
  const NamedKind found = classify_weights(weights);
  if (found.kind != WeightKind::kControlNet) {
    refuse_kind(folder.string(), found);
  }
  return canonical_diffusers("controlnet", folder.string(), config, weights);
}

Component open_controlnet_file(const std::string& path) {
  const WeightSet weights = open_weight_file(path);
  const NamedKind found = classify_weights(weights);
  if (found.kind == WeightKind::kWhole || found.kind == WeightKind::kStableDiffusion1) {
    throw Error(ErrorKind::kModel,
                str(path, ": this is a whole model (", found.phrase, "), not a ControlNet"),
                kControlExpected);
  }
  if (found.kind != WeightKind::kControlNet) {
    refuse_kind(path, found);
  }
  refuse_unread_types(weights, path);
  if (weights.tensors.contains("difference")) {
    throw Error(ErrorKind::kModel,
                str(path, ": this ControlNet holds differences to a model, which is not supported"),
                "use the ControlNet's full release");
  }
  if (weights.tensors.contains("controlnet_cond_embedding.conv_in.weight")) {
    const fs::path file(path);  // diffusers' own name: its config.json lies beside it
    const bool is_diffusers = file.filename().string().starts_with("diffusion_pytorch_model.");
    const std::string config =
        is_diffusers ? read_small_text(file.parent_path() / "config.json") : "";
    return canonical_diffusers("controlnet", path, config, weights);
  }
  const bool has_prefix = weights.tensors.contains("control_model.input_hint_block.0.weight");
  return canonical_compvis("controlnet", path, has_prefix ? "control_model." : "", weights);
}

}  // namespace

Component open_controlnet(const std::string& path) {
  return is_folder(path) ? open_controlnet_folder(path) : open_controlnet_file(path);
}

}  // namespace dedit

#include "io/checkpoint.h"

#include <filesystem>

#include "core/str.h"
#include "io/canonical.h"
#include "io/file_kind.h"
#include "io/shown.h"
#include "io/weight_files.h"

#include "dedit/error.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;

/// Sub-folders that hold networks; the last ones tell families apart.
constexpr const char* kComponents[] = {
    "unet", "vae", "text_encoder", "text_encoder_2", "text_encoder_3", "transformer"};

struct CompVisPart {
  const char* name;
  std::string_view prefix;
};
constexpr CompVisPart kCompVisParts[] = {{"unet", "model.diffusion_model."},
                                         {"vae", "first_stage_model."},
                                         {"text_encoder", "cond_stage_model.transformer."}};

constexpr const char* kExpected =
    "a model is a diffusers folder (unet, vae, text_encoder) or a Stable Diffusion 1.x "
    ".safetensors file";

/// A folder without components: a component's own folder, one around single files, or neither.
[[noreturn]] void refuse_model_folder(const fs::path& folder) {
  const std::string name = class_name(read_small_text(folder / "config.json"));
  if (!name.empty()) {
    const std::string hint = name == "ControlNetModel" ? "give it as the ControlNet of a model"
                                                       : "give the folder around it";
    throw Error(
        ErrorKind::kModel,
        str(folder.string(), ": this is one network (", shown(name), "), not a whole model"), hint);
  }
  std::string hint = kExpected;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".safetensors") {
      hint = str("give the file itself: ", entry.path().string());
    }
  }
  throw Error(ErrorKind::kModel,
              str(folder.string(), ": there is no unet folder in it, so it is no diffusers model"),
              hint);
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& path) {
  return is_folder(path) ? open_folder(path) : open_single_file(path);
}

Checkpoint Checkpoint::open_folder(const std::string& path) {
  const fs::path root(path);
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  checkpoint.layout_ = Layout::kDiffusers;
  for (const char* name : kComponents) {
    const fs::path folder = root / name;
    if (!is_folder(folder)) continue;
    const WeightSet weights = open_weight_folder(folder);
    checkpoint.components_.emplace(
        name, canonical_diffusers(name, folder.string(), read_small_text(folder / "config.json"),
                                  weights));
  }
  if (!checkpoint.has("unet") && !checkpoint.has("transformer")) refuse_model_folder(root);
  checkpoint.scheduler_json_ = read_small_text(root / "scheduler" / "scheduler_config.json");
  const fs::path tokenizer = root / "tokenizer";
  // Any of its files will do here: who reads the folder says which one is missing.
  for (const char* name : {"tokenizer.json", "merges.txt", "vocab.json"}) {
    if (is_file(tokenizer / name)) checkpoint.tokenizer_dir_ = tokenizer.string();
  }
  return checkpoint;
}

Checkpoint Checkpoint::open_single_file(const std::string& path) {
  const WeightSet weights = open_weight_file(path);
  const NamedKind found = classify_weights(weights);
  if (found.kind == WeightKind::kWhole) {
    throw Error(ErrorKind::kModel,
                str(path, ": this is ", found.phrase,
                    ", which is not read from a single file; only Stable Diffusion 1.x is"),
                "use a Stable Diffusion 1.x file, or a diffusers folder of Stable Diffusion 1.x or "
                "2.x");
  }
  if (found.kind != WeightKind::kStableDiffusion1) {
    throw Error(ErrorKind::kModel, str(path, ": ", not_what(found, "a whole model")), kExpected);
  }
  refuse_unread_types(weights, path);

  Checkpoint checkpoint;
  checkpoint.path_ = path;
  checkpoint.layout_ = Layout::kCompVis;
  for (const auto& [name, prefix] : kCompVisParts) {
    Component component = canonical_compvis(name, path, prefix, weights);
    if (!component.tensors.empty()) checkpoint.components_.emplace(name, std::move(component));
  }
  const auto is_known = [](std::string_view name) {
    for (const CompVisPart& part : kCompVisParts) {
      if (name.starts_with(part.prefix)) return true;
    }
    return false;
  };
  for (const auto& [name, view] : weights.tensors) {
    if (!is_known(name)) checkpoint.unknown_.push_back(name);
  }
  for (const auto& [name, type] : weights.other) {
    if (!is_known(name)) checkpoint.unknown_.push_back(name);
  }
  return checkpoint;
}

bool Checkpoint::has(std::string_view component) const {
  return components_.contains(component);
}

const Component& Checkpoint::component(std::string_view name) const {
  const auto found = components_.find(name);
  if (found != components_.end()) return found->second;
  std::string where = str("there is no folder ", name, " in it");
  for (const CompVisPart& part : kCompVisParts) {
    if (layout_ == Layout::kCompVis && name == part.name) {
      where = str("there are no tensors ", part.prefix, "* in it");
    }
  }
  throw Error(ErrorKind::kModel, str(path_, ": the model has no ", name, ": ", where), kExpected);
}

}  // namespace dedit

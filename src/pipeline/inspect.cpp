// `dedit inspect`: what a checkpoint or a picture says of itself.
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "core/str.h"
#include "io/checkpoint.h"
#include "models/family.h"
#include "pipeline/layers.h"
#include "pipeline/recipe.h"

#include "dedit/image.h"
#include "dedit/info.h"

namespace dedit {
namespace {

using Json = nlohmann::ordered_json;

// Parameters by the first `depth` names: "down_blocks.0".
Json parameters_by_module(const Component& component) {
  std::map<std::string, int64_t> sums;
  for (const auto& [name, view] : component.tensors) {
    size_t dot = name.find('.');
    // A numbered child names a module better than its list does.
    if (dot != std::string::npos && dot + 1 < name.size() && std::isdigit(name[dot + 1])) {
      dot = name.find('.', dot + 1);
    }
    sums[name.substr(0, dot)] += view.numel();
  }
  Json j = Json::object();
  for (const auto& [module, count] : sums) j[module] = count;
  return j;
}

Json component_json(const Component& c) {
  return {{"dtype", name_of(c.dtype())},
          {"parameters", c.n_parameters()},
          {"tensors", c.tensors.size()},
          {"modules", parameters_by_module(c)}};
}

Json checkpoint_json(const Checkpoint& checkpoint) {
  Json j;
  j["kind"] = "checkpoint";
  std::string family = "unknown", summary;
  for (const ModelFamily* f : all_families()) {
    if (f->matches(checkpoint)) family = f->name, summary = f->summary;
  }
  j["family"] = family;
  j["family_summary"] = summary;
  j["layout"] = checkpoint.layout() == Layout::kDiffusers ? "diffusers" : "compvis";
  j["fingerprint"] = fingerprint(checkpoint);
  for (const auto& [name, component] : checkpoint.components()) {
    j["components"][name] = component_json(component);
  }
  if (!checkpoint.unknown().empty()) j["ignored_tensors"] = checkpoint.unknown().size();
  return j;
}

Json control_json(const Component& component) {
  Json j;
  j["kind"] = "controlnet";
  j["made_for"] = looks_like(component);
  j["layout"] = component.config_json.empty() ? "single file" : "diffusers";
  j["fingerprint"] = fingerprint(component);
  j["components"]["controlnet"] = component_json(component);
  return j;
}

Json picture_json(const Image& image) {
  static constexpr const char* kTypes[] = {"u8", "u16", "f32"};
  Json j;
  j["kind"] = "picture";
  j["width"] = image.width;
  j["height"] = image.height;
  j["channels"] = image.channels;
  j["type"] = kTypes[int(image.type)];
  j["icc_bytes"] = image.icc.size();
  j["pixels_sha256"] = pixel_hash(image);
  const auto it = image.text.find(kRecipeKey);
  if (it == image.text.end()) {
    j["recipe"] = nullptr;
  } else {
    Json recipe = Json::parse(it->second, nullptr, /*allow_exceptions=*/false);
    j["recipe"] = recipe.is_discarded() ? Json(it->second) : recipe;
  }
  return j;
}

bool is_control(const std::string& path) {
  try {
    open_controlnet(path);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool is_model_path(const std::string& path) {
  return std::filesystem::is_directory(path) || path.ends_with(".safetensors") ||
         path.ends_with(".ckpt") || path.ends_with(".bin");
}

void check_exists(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorKind::kInput, str(path, ": no such file or folder"));
  }
}

Json inspect(const std::string& path) {
  if (!is_model_path(path)) return picture_json(load_image(path));
  check_exists(path);
  if (is_control(path)) return control_json(open_controlnet(path));
  return checkpoint_json(Checkpoint::open(path));
}

void print(const Json& j, const std::string& indent, std::string& out) {
  for (const auto& [key, value] : j.items()) {
    if (value.is_structured()) {
      out += str(indent, key, ":\n");
      print(value, indent + "  ", out);
    } else {
      out +=
          str(indent, key, ": ", value.is_string() ? value.get<std::string>() : value.dump(), "\n");
    }
  }
}

}  // namespace

std::string inspect_json(const std::string& path) {
  return inspect(path).dump(2);
}

std::string inspect_text(const std::string& path) {
  std::string out;
  print(inspect(path), "", out);
  return out;
}

LayerReport inspect_layers(const std::string& path) {
  check_exists(path);
  if (!is_model_path(path)) {
    throw Error(ErrorKind::kUsage, str(path, " is no model, so that it has no layers"),
                "give a model's folder or file");
  }
  if (is_control(path)) return layer_report(open_controlnet(path));
  return layer_report(Checkpoint::open(path));
}

}  // namespace dedit

#include "io/canonical.h"

#include "core/str.h"
#include "io/keymap.h"
#include "io/shown.h"

#include "dedit/error.h"

namespace dedit {
namespace {

void insert(Component& component, const std::string& stored, const std::string& canonical,
            WeightView view) {
  if (component.name == "vae") view = squeeze_vae_attention(canonical, view);
  if (component.tensors.emplace(canonical, view).second) return;
  throw Error(ErrorKind::kModel,
              str(component.source, ": ", in_quotes(stored), " and another tensor both stand for ",
                  component.name, " ", in_quotes(canonical)),
              "the file is a bad merge of two layouts: use another release of the model");
}

std::string map_diffusers(const std::string& component, const std::string& name) {
  if (component == "vae") return map_old_diffusers_vae(name);
  if (component.starts_with("text_encoder")) return map_clip_text(name);
  return name;
}

std::vector<std::string> map_compvis(const std::string& component,
                                     const std::vector<std::string>& names) {
  if (component == "vae") return map_compvis_vae(names);
  if (component != "text_encoder") return map_compvis_unet(names);
  std::vector<std::string> mapped;
  for (const std::string& name : names) mapped.push_back(map_clip_text(name));
  return mapped;
}

}  // namespace

Component canonical_diffusers(std::string name, std::string source, std::string config_json,
                              const WeightSet& weights) {
  refuse_unread_types(weights, source);
  Component component;
  component.name = std::move(name);
  component.source = std::move(source);
  component.config_json = std::move(config_json);
  component.files = weights.files;
  for (const auto& [stored, view] : weights.tensors) {
    if (is_position_ids(stored)) continue;
    insert(component, stored, map_diffusers(component.name, stored), view);
  }
  return component;
}

Component canonical_compvis(std::string name, std::string source, std::string_view prefix,
                            const WeightSet& weights) {
  Component component;
  component.name = std::move(name);
  component.source = std::move(source);
  component.files = weights.files;
  std::vector<std::string> names;
  std::vector<WeightView> views;
  for (auto it = weights.tensors.lower_bound(prefix);
       it != weights.tensors.end() && it->first.starts_with(prefix); ++it) {
    if (is_position_ids(it->first)) continue;
    names.push_back(it->first.substr(prefix.size()));
    views.push_back(it->second);
  }
  const std::vector<std::string> mapped = map_compvis(component.name, names);
  for (size_t i = 0; i < names.size(); ++i) {
    insert(component, str(prefix, names[i]), mapped[i], views[i]);
  }
  return component;
}

void refuse_unread_types(const WeightSet& weights, const std::string& source) {
  for (const auto& [name, type] : weights.other) {
    if (type.starts_with("F") && name.ends_with("weight")) {
      throw Error(ErrorKind::kModel,
                  str(source, ": ", in_quotes(name),
                      " is stored in a type or shape that is not read (", type, ")"),
                  "use the f16, bf16 or f32 release of the model");
    }
  }
  if (weights.tensors.empty()) {
    throw Error(ErrorKind::kModel, str(source, ": there are no f32, f16 or bf16 tensors"));
  }
}

}  // namespace dedit

#include "pipeline/recipe.h"

#include <cstring>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/sha256.h"
#include "schedulers/solver_options.h"

namespace dedit {
namespace {

using Json = nlohmann::ordered_json;

Json input_json(const char* role, const Image& image) {
  return {{"role", role},
          {"width", image.width},
          {"height", image.height},
          {"pixels_sha256", pixel_hash(image)}};
}

Json control_json(const Model::Impl& model, const ControlUnit& unit) {
  // Loaded before any recipe is made; the cache answers.
  const auto loaded = const_cast<Model::Impl&>(model).control(unit.model, unit.annotator);
  Json j = {{"model", loaded->name}, {"fingerprint", loaded->fingerprint}};
  if (!unit.annotator.empty()) {
    j["annotator"] = unit.annotator;
    for (const auto& [name, value] : unit.params) j["params"][name] = value;
    for (const auto& [name, hash] : unit.hashes) j[name + "_sha256"] = hash;
  }
  for (const auto& [name, path] : unit.files) {
    j["files"][name] = std::filesystem::path(path).filename().string();
  }
  j["map_sha256"] = pixel_hash(unit.hint);
  if (unit.is_fitted) {
    j["map_is_fitted"] = true;
  } else if (unit.fit) {
    j["fit"] = name_of(*unit.fit);
  }
  j["scale"] = unit.scale;
  j["start"] = unit.start;
  j["end"] = unit.end;
  if (unit.mode != ControlMode::kBalanced) j["mode"] = name_of(unit.mode);
  if (!unit.layers.empty()) j["layers"] = unit.layers;
  for (const CurvePoint& p : unit.curve) j["curve"].push_back({p.place, p.factor});
  if (unit.mask) j["mask_sha256"] = pixel_hash(*unit.mask);
  return j;
}

Json geometry_json(const Geometry& g) {
  return {{"source", {g.source_width, g.source_height}},
          {"crop", {g.crop.x, g.crop.y, g.crop.width, g.crop.height}},
          {"fit", name_of(g.fit)},
          {"scaled", {g.scaled_width, g.scaled_height}},
          {"at", {g.left, g.top}},
          {"result", {g.width, g.height}},
          {"grid", {g.grid_width, g.grid_height}}};
}

std::string tensor_hash(const TensorValue& tensor) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(tensor.shape)));
  hash.update(std::as_bytes(std::span(tensor.values)));
  return hash.hex();
}

}  // namespace

std::string make_recipe(const Model::Impl& model, const EditRequest& r, const EditPlan& plan,
                        size_t picture) {
  Json j;
  j["version"] = 1;
  j["tool"] = std::string("dedit ") + DEDIT_VERSION;
  j["job"] = name_of(plan.job);
  j["model"] = {
      {"name", model.name}, {"family", model.family->name}, {"fingerprint", model.fingerprint}};
  j["arithmetic"] = {{"backend", model.backend->description()},
                     {"dtype", model.dtype_name},
                     {"why", model.dtype_reason}};
  j["prompt"] = r.prompt;
  j["negative_prompt"] = r.negative_prompt;
  if (r.prompt_syntax == PromptSyntax::kWebui) j["prompt_syntax"] = "webui";
  j["truncate"] = r.truncate;
  if (r.clip_skip > (r.compat == Compat::kDiffusers ? 0 : 1)) j["clip_skip"] = r.clip_skip;
  for (const PromptEmbedding& e : r.embeddings) {
    j["embeddings"].push_back({{"name", e.name}, {"sha256", tensor_hash(e.vectors)}});
  }
  j["width"] = plan.width;
  j["height"] = plan.height;
  j["seed"] = r.seeds[picture];
  j["rng"] = r.rng == Rng::kPhilox ? "philox" : "torch-cpu";
  if (r.variation_strength > 0) {
    j["variation_seed"] = r.variation_seed + picture;
    j["variation_strength"] = r.variation_strength;
  }
  if (r.latents) j["latents_sha256"] = tensor_hash(*r.latents);
  if (r.compat != Compat::kOwn) j["compat"] = name_of(r.compat);
  j["steps"] = r.steps;
  j["steps_run"] = plan.n_calls;
  j["guidance"] = r.guidance;
  if (!r.guidance_schedule.empty()) j["guidance_schedule"] = r.guidance_schedule;
  if (r.guidance_rescale > 0) j["guidance_rescale"] = r.guidance_rescale;
  if (r.pag_scale > 0) {
    j["pag_scale"] = r.pag_scale;
    j["pag_adaptive_scale"] = r.pag_adaptive_scale;
  }
  if (plan.encode_tile != plan.decode_tile) {
    j["vae_tile"] = {{"encode", plan.encode_tile}, {"decode", plan.decode_tile}};
  } else if (plan.decode_tile != 0) {
    j["vae_tile"] = plan.decode_tile;
  }
  if (plan.has_wrapper) j["denoiser"] = "changed by the caller's function";
  j["scheduler"] = plan.scheduler->name;
  j["spacing"] = r.spacing.empty() ? name_of(plan.solver_options.config.spacing) : r.spacing;
  j["sigmas"] = name_of(resolve_sigmas(*plan.scheduler, plan.solver_options));
  if (!r.scheduler_settings.empty()) j["scheduler_settings"] = r.scheduler_settings;
  if (!r.timesteps.empty()) j["timesteps"] = r.timesteps;
  if (!r.sigma_values.empty()) j["sigma_values"] = r.sigma_values;
  j["prediction"] = name_of(plan.solver_options.config.prediction);
  if (plan.job != Job::kGenerate) j["strength"] = r.strength;
  if (r.image) j["geometry"] = geometry_json(plan.geometry);
  Json inputs = Json::array();
  if (plan.image) inputs.push_back(input_json("image", *r.image));
  if (r.mask) {
    inputs.push_back(input_json("mask", *r.mask));
    j["mask_rule"] = r.mask_rule == MaskRule::kCover ? "cover" : "nearest";
  }
  if (!inputs.empty()) j["inputs"] = inputs;
  Json controls = Json::array();
  for (const ControlUnit& unit : r.controls) controls.push_back(control_json(model, unit));
  if (!controls.empty()) j["controls"] = controls;
  if (r.normalize_controls) j["normalize_controls"] = true;
  return j.dump();
}

}  // namespace dedit

#include "pipeline/recipe.h"

#include <cstring>

#include <nlohmann/json.hpp>

#include "core/sha256.h"

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
  }
  j["map_sha256"] = pixel_hash(unit.hint);
  j["scale"] = unit.scale;
  j["start"] = unit.start;
  j["end"] = unit.end;
  return j;
}

std::string latents_hash(const TensorValue& latents) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(latents.shape)));
  hash.update(std::as_bytes(std::span(latents.values)));
  return hash.hex();
}

}  // namespace

std::string make_recipe(const Model::Impl& model, const EditRequest& r, const EditPlan& plan,
                        uint64_t seed) {
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
  j["truncate"] = r.truncate;
  j["width"] = plan.width;
  j["height"] = plan.height;
  j["seed"] = seed;
  j["rng"] = "torch-cpu";
  if (r.latents) j["latents_sha256"] = latents_hash(*r.latents);
  j["steps"] = r.steps;
  j["steps_run"] = plan.n_calls;
  j["guidance"] = r.guidance;
  j["scheduler"] = plan.scheduler->name;
  j["spacing"] = r.spacing.empty() ? name_of(plan.solver_options.config.spacing) : r.spacing;
  const bool karras =
      plan.solver_options.sigmas == Sigmas::kKarras || plan.solver_options.config.use_karras_sigmas;
  j["sigmas"] = karras && plan.scheduler->karras ? "karras" : "default";
  j["prediction"] = name_of(plan.solver_options.config.prediction);
  if (plan.job != Job::kGenerate) j["strength"] = r.strength;
  Json inputs = Json::array();
  if (r.image) inputs.push_back(input_json("image", *r.image));
  if (r.mask) {
    inputs.push_back(input_json("mask", *r.mask));
    j["mask_rule"] = r.mask_rule == MaskRule::kCover ? "cover" : "nearest";
  }
  if (!inputs.empty()) j["inputs"] = inputs;
  Json controls = Json::array();
  for (const ControlUnit& unit : r.controls) controls.push_back(control_json(model, unit));
  if (!controls.empty()) j["controls"] = controls;
  return j.dump();
}

}  // namespace dedit

// scheduler_config.json. Two rules of the reference's Stable Diffusion pipelines are applied:
// steps_offset is 1 and clip_sample is off, whatever the file says; and a field that the file
// leaves out takes the default of the scheduler that runs, not of the class the file names.
#include <nlohmann/json.hpp>

#include "core/str.h"
#include "schedulers/scheduler.h"

#include "dedit/error.h"

namespace dedit {

namespace {

using nlohmann::json;

/// The file's fields, with their source for messages. A null counts as absent.
class Fields {
 public:
  Fields(const json& object, const std::string& source) : object_(object), source_(source) {}

  bool has(const char* name) const { return object_.contains(name) && !object_[name].is_null(); }

  double number(const char* name, double fallback) const {
    if (!has(name)) return fallback;
    if (!object_[name].is_number()) fail(name, "a number");
    return object_[name].get<double>();
  }
  bool flag(const char* name, bool fallback) const {
    if (!has(name)) return fallback;
    if (!object_[name].is_boolean()) fail(name, "true or false");
    return object_[name].get<bool>();
  }
  std::string text(const char* name, const std::string& fallback) const {
    if (!has(name)) return fallback;
    if (!object_[name].is_string()) fail(name, "a string");
    return object_[name].get<std::string>();
  }
  [[noreturn]] void fail(const char* name, const std::string& expected) const {
    throw Error(ErrorKind::kModel,
                str(source_, ": '", name, "' is ", object_[name].dump(), ", expected ", expected));
  }

 private:
  const json& object_;
  const std::string& source_;
};

json parse_object(const std::string& text, const std::string& source) {
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    throw Error(ErrorKind::kModel, source + " is not a JSON object",
                "it should be the scheduler_config.json of a diffusers checkpoint");
  }
  return object;
}

Prediction prediction_of(const Fields& f) {
  const std::string name = f.text("prediction_type", "epsilon");
  if (name == "epsilon") return Prediction::kEpsilon;
  if (name == "v_prediction") return Prediction::kV;
  if (name == "sample") return Prediction::kSample;
  f.fail("prediction_type", "epsilon, v_prediction or sample");
}

Spacing spacing_of(const Fields& f) {
  if (!f.has("timestep_spacing")) return Spacing::kDefault;
  const std::string name = f.text("timestep_spacing", "");
  if (name == "leading") return Spacing::kLeading;
  if (name == "linspace") return Spacing::kLinspace;
  if (name == "trailing") return Spacing::kTrailing;
  f.fail("timestep_spacing", "leading, linspace or trailing");
}

/// A setting of the file's own class under which that class is another method than ours of the same
/// name ("algorithm_type sde-dpmsolver++"); empty if there is none.
std::string foreign_setting(const Fields& f, const std::string& class_name) {
  const auto differs = [&](const char* name, const char* ours) {
    return f.text(name, ours) != ours ? str(name, " ", f.text(name, ours)) : std::string();
  };
  std::vector<std::string> found;
  for (const char* name : {"thresholding", "use_exponential_sigmas", "use_beta_sigmas",
                           "use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting"}) {
    if (f.flag(name, false)) found.push_back(str(name, " true"));
  }
  if (class_name == "DPMSolverMultistepScheduler") {
    found.push_back(differs("algorithm_type", "dpmsolver++"));
    found.push_back(differs("solver_type", "midpoint"));
    if (f.number("solver_order", 2) != 2) found.push_back("another solver_order than 2");
    if (f.flag("euler_at_final", false) && f.text("final_sigmas_type", "zero") != "zero") {
      found.push_back("euler_at_final true");
    }
  }
  if (class_name == "EulerDiscreteScheduler") {
    found.push_back(differs("interpolation_type", "linear"));
    found.push_back(differs("timestep_type", "discrete"));
    for (const char* name : {"sigma_min", "sigma_max"}) {
      if (f.has(name)) found.push_back(str(name, " ", f.number(name, 0)));
    }
  }
  for (const std::string& setting : found) {
    if (!setting.empty()) return setting;
  }
  return {};
}

/// The training schedule has to be understood whichever scheduler runs.
void read_schedule(const Fields& f, SchedulerConfig& c) {
  const double train_steps = f.number("num_train_timesteps", 1000);
  if (train_steps < 2 || train_steps > 1e6 || train_steps != int(train_steps)) {
    f.fail("num_train_timesteps", "a whole number of 2 or more");
  }
  c.num_train_timesteps = int(train_steps);
  c.beta_start = f.number("beta_start", 0.0001);
  if (!(c.beta_start > 0 && c.beta_start < 1)) f.fail("beta_start", "a number between 0 and 1");
  c.beta_end = f.number("beta_end", 0.02);
  if (!(c.beta_end > 0 && c.beta_end < 1)) f.fail("beta_end", "a number between 0 and 1");
  c.beta_schedule = f.text("beta_schedule", "linear");
  if (c.beta_schedule != "linear" && c.beta_schedule != "scaled_linear") {
    f.fail("beta_schedule", "linear or scaled_linear");
  }
  if (f.has("trained_betas")) f.fail("trained_betas", "null (a list of betas is not supported)");
  if (f.flag("rescale_betas_zero_snr", false)) {
    f.fail("rescale_betas_zero_snr", "false (zero terminal SNR is not supported)");
  }
}

}  // namespace

SchedulerConfig parse_scheduler_config(const std::string& text, const std::string& source) {
  SchedulerConfig c;
  if (text.empty()) return c;
  const json object = parse_object(text, source);
  const Fields f(object, source);
  read_schedule(f, c);
  c.class_name = f.text("_class_name", "");
  c.prediction = prediction_of(f);
  c.spacing = spacing_of(f);
  c.set_alpha_to_one.reset();
  if (f.has("set_alpha_to_one")) c.set_alpha_to_one = f.flag("set_alpha_to_one", false);
  c.skip_prk_steps = f.flag("skip_prk_steps", false);
  c.use_karras_sigmas = f.flag("use_karras_sigmas", false);
  const std::string final_sigmas = f.text("final_sigmas_type", "zero");
  if (final_sigmas != "zero" && final_sigmas != "sigma_min") {
    f.fail("final_sigmas_type", "zero or sigma_min");
  }
  c.final_sigma_zero = final_sigmas == "zero";
  c.lower_order_final = f.flag("lower_order_final", true);
  const std::string foreign = foreign_setting(f, c.class_name);
  if (!foreign.empty()) c.class_name += " with " + foreign;
  return c;
}

}  // namespace dedit

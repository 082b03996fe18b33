// scheduler_config.json. Read for a pipeline, two rules of the reference's Stable Diffusion
// pipelines are applied: steps_offset is 1 and clip_sample is off, whatever the file says. A field
// that the file leaves out takes the default of the scheduler that runs, where these differ.
#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

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
  /// There, and neither false, nor 0, nor empty.
  bool is_set(const char* name) const {
    if (!has(name)) return false;
    const json& value = object_[name];
    return !(value.empty() || value == false || value == 0 || value == "-inf" || value == "");
  }
  std::vector<double> numbers(const char* name) const {
    std::vector<double> values;
    if (!has(name)) return values;
    for (const json& value : object_[name]) {
      if (!value.is_number()) fail(name, "a list of numbers");
      values.push_back(value.get<double>());
    }
    return values;
  }
  /// Every text, number, flag and short list, as text.
  std::map<std::string, std::string, std::less<>> scalars() const {
    std::map<std::string, std::string, std::less<>> all;
    for (const auto& [name, value] : object_.items()) {
      if (value.is_string()) all[name] = value.get<std::string>();
      const bool is_short_list = value.is_array() && value.size() <= 1000;
      if (value.is_number() || value.is_boolean() || is_short_list) all[name] = value.dump();
    }
    return all;
  }
  [[noreturn]] void fail(const char* name, const std::string& expected) const {
    throw Error(ErrorKind::kModel,
                str(source_, ": '", name, "' is ", object_[name].dump(), ", expected ", expected));
  }

 private:
  const json& object_;
  const std::string& source_;
};

/// Python writes the infinities and NaN bare, which JSON does not have: here they become null, the
/// field's default. Text inside quotes stays.
std::string without_infinities(const std::string& text) {
  std::string out;
  bool is_quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"' && (i == 0 || text[i - 1] != '\\')) is_quoted = !is_quoted;
    const auto skipped = [&](std::string_view word) {
      return !is_quoted && text.compare(i, word.size(), word) == 0 ? word.size() : 0;
    };
    const size_t n = skipped("-Infinity") + skipped("Infinity") + skipped("NaN");
    if (n == 0) {
      out += text[i];
    } else {
      out += "null";
      i += n - 1;
    }
  }
  return out;
}

json parse_object(const std::string& text, const std::string& source) {
  json object = json::parse(without_infinities(text), nullptr, /*allow_exceptions=*/false);
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
  if (name == "flow_prediction") return Prediction::kFlow;
  f.fail("prediction_type", "epsilon, v_prediction, sample or flow_prediction");
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
/// name ("variance_type learned"); empty if there is none.
std::string foreign_setting(const Fields& f) {
  if (f.is_set("solver_p")) return "solver_p";
  const std::string variance = f.text("variance_type", "fixed_small");
  const bool is_ours = variance.rfind("fixed", 0) == 0 && variance != "fixed_large_log";
  return is_ours ? "" : "variance_type " + variance;
}

/// The defaults of the reference's constructors, where they are not 0.0001, 0.02, linear.
void class_defaults(const std::string& name, SchedulerConfig& c) {
  const auto is_one_of = [&](std::initializer_list<const char*> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const bool is_distilled = is_one_of({"LCMScheduler", "TCDScheduler"});
  const bool has_sd_betas =
      is_distilled || is_one_of({"HeunDiscreteScheduler", "KDPM2DiscreteScheduler",
                                 "KDPM2AncestralDiscreteScheduler"});
  c.beta_start = has_sd_betas ? 0.00085 : 0.0001;
  c.beta_end = has_sd_betas ? 0.012 : 0.02;
  c.beta_schedule = is_distilled ? "scaled_linear" : "linear";
  c.clip_sample = is_one_of({"DDPMScheduler", "DDIMScheduler", "DDIMInverseScheduler"});
  if (name.rfind("FlowMatch", 0) == 0) c.prediction = Prediction::kFlow;
  if (name == "IPNDMScheduler") c.prediction = Prediction::kV;
}

/// The training schedule has to be understood whichever scheduler runs.
void read_schedule(const Fields& f, SchedulerConfig& c) {
  const double train_steps = f.number("num_train_timesteps", 1000);
  if (train_steps < 2 || train_steps > 1e6 || train_steps != int(train_steps)) {
    f.fail("num_train_timesteps", "a whole number of 2 or more");
  }
  c.num_train_timesteps = int(train_steps);
  c.beta_start = f.number("beta_start", c.beta_start);
  if (!(c.beta_start > 0 && c.beta_start < 1)) f.fail("beta_start", "a number between 0 and 1");
  c.beta_end = f.number("beta_end", c.beta_end);
  if (!(c.beta_end > 0 && c.beta_end < 1)) f.fail("beta_end", "a number between 0 and 1");
  c.beta_schedule = f.text("beta_schedule", c.beta_schedule);
  const char* known[] = {"linear",  "scaled_linear", "squaredcos_cap_v2",
                         "sigmoid", "laplace",       "exp"};
  if (std::find(std::begin(known), std::end(known), c.beta_schedule) == std::end(known)) {
    f.fail("beta_schedule", "linear, scaled_linear, squaredcos_cap_v2, sigmoid, laplace or exp");
  }
  c.trained_betas = f.numbers("trained_betas");
  for (double beta : c.trained_betas) {
    if (!(beta > 0 && beta < 1)) f.fail("trained_betas", "numbers between 0 and 1");
  }
  if (!c.trained_betas.empty() && int(c.trained_betas.size()) != c.num_train_timesteps) {
    f.fail("trained_betas", str("a list of num_train_timesteps (", c.num_train_timesteps, ")"));
  }
  c.rescale_betas_zero_snr = f.flag("rescale_betas_zero_snr", false);
}

Sigmas sigmas_of(const Fields& f) {
  if (f.flag("use_karras_sigmas", false)) return Sigmas::kKarras;
  // Of one class alone, where it goes before the others.
  const bool knows_lu = f.text("_class_name", "").rfind("DPMSolverMultistep", 0) == 0;
  if (knows_lu && f.flag("use_lu_lambdas", false)) return Sigmas::kLu;
  if (f.flag("use_exponential_sigmas", false)) return Sigmas::kExponential;
  return f.flag("use_beta_sigmas", false) ? Sigmas::kBeta : Sigmas::kDefault;
}

void read_limits(const Fields& f, SchedulerConfig& c) {
  const auto positive = [&](const char* name, double fallback) {
    const double value = f.number(name, fallback);
    if (!(value > 0)) f.fail(name, "a number above 0");
    return value;
  };
  c.clip_sample = f.flag("clip_sample", c.clip_sample);
  c.clip_sample_range = positive("clip_sample_range", 1);
  c.thresholding = f.flag("thresholding", false);
  c.dynamic_thresholding_ratio = positive("dynamic_thresholding_ratio", 0.995);
  if (c.dynamic_thresholding_ratio > 1) f.fail("dynamic_thresholding_ratio", "at most 1");
  c.sample_max_value = positive("sample_max_value", 1);
}

constexpr std::string_view kFields[] = {"num_train_timesteps",
                                        "beta_start",
                                        "beta_end",
                                        "beta_schedule",
                                        "trained_betas",
                                        "rescale_betas_zero_snr",
                                        "prediction_type",
                                        "timestep_spacing",
                                        "steps_offset",
                                        "set_alpha_to_one",
                                        "skip_prk_steps",
                                        "final_sigmas_type",
                                        "lower_order_final",
                                        "clip_sample",
                                        "clip_sample_range",
                                        "thresholding",
                                        "dynamic_thresholding_ratio",
                                        "sample_max_value",
                                        "sigma_min",
                                        "sigma_max",
                                        "use_karras_sigmas",
                                        "use_exponential_sigmas",
                                        "use_beta_sigmas",
                                        "use_lu_lambdas",
                                        "use_flow_sigmas",
                                        "flow_shift",
                                        "lambda_min_clipped",
                                        "disable_corrector",
                                        "interpolation_type",
                                        "timestep_type",
                                        "shift_terminal",
                                        "use_dynamic_shifting",
                                        "time_shift_type",
                                        "mu",
                                        "image_seq_len",
                                        "base_shift",
                                        "max_shift",
                                        "base_image_seq_len",
                                        "max_image_seq_len",
                                        "invert_sigmas"};

/// The defaults of SchedulerConfig as a file.
constexpr const char* kStableDiffusion =
    R"({"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "steps_offset": 1, "set_alpha_to_one": false, "skip_prk_steps": true})";

/// `given`: fields that the caller set, which no rule of the pipelines changes.
SchedulerConfig read_config(const json& object, const std::string& source, ConfigUse use,
                            const std::map<std::string, std::string>& given) {
  SchedulerConfig c;
  const Fields f(object, source);
  c.class_name = f.text("_class_name", "");
  class_defaults(c.class_name, c);
  read_schedule(f, c);
  const bool is_fixed = c.prediction != Prediction::kEpsilon;  // the class has no other
  if (f.has("prediction_type") && !is_fixed) c.prediction = prediction_of(f);
  c.spacing = spacing_of(f);
  c.set_alpha_to_one.reset();
  if (f.has("set_alpha_to_one")) c.set_alpha_to_one = f.flag("set_alpha_to_one", false);
  c.skip_prk_steps = f.flag("skip_prk_steps", false);
  c.sigmas = sigmas_of(f);
  const std::string final_sigmas = f.text("final_sigmas_type", "zero");
  if (final_sigmas != "zero" && final_sigmas != "sigma_min") {
    f.fail("final_sigmas_type", "zero or sigma_min");
  }
  c.final_sigma_zero = final_sigmas == "zero";
  if (f.has("lower_order_final")) c.lower_order_final = f.flag("lower_order_final", true);
  read_limits(f, c);
  c.settings = f.scalars();
  const auto patched = [&](const char* name) {
    return use == ConfigUse::kPipeline && !given.contains(name);
  };
  if (patched("clip_sample")) c.clip_sample = false;
  if (!patched("steps_offset")) {
    const double offset = f.number("steps_offset", 0);
    if (!(offset >= 0 && offset <= 1e6 && offset == int(offset))) {
      f.fail("steps_offset", "a whole number of 0 or more");
    }
    c.steps_offset = int(offset);
  }
  const std::string foreign = foreign_setting(f);
  if (!foreign.empty()) c.class_name += " with " + foreign;
  return c;
}

}  // namespace

SchedulerConfig parse_scheduler_config(const std::string& text, const std::string& source,
                                       ConfigUse use) {
  SchedulerConfig c;
  if (!text.empty()) c = read_config(parse_object(text, source), source, use, {});
  c.text = text;
  c.source = source;
  c.use = use;
  return c;
}

bool is_config_field(std::string_view name) {
  return std::find(std::begin(kFields), std::end(kFields), name) != std::end(kFields);
}

SchedulerConfig with_settings(const SchedulerConfig& config,
                              const std::map<std::string, std::string>& fields,
                              std::string_view class_name) {
  json object = parse_object(config.text.empty() ? kStableDiffusion : config.text, config.source);
  object["_class_name"] = class_name;
  for (const auto& [name, value] : fields) {
    const json parsed = json::parse(value, nullptr, /*allow_exceptions=*/false);
    object[name] = parsed.is_discarded() ? json(value) : parsed;
  }
  SchedulerConfig c = read_config(object, config.source, config.use, fields);
  c.text = object.dump();
  c.source = config.source;
  c.use = config.use;
  return c;
}

}  // namespace dedit

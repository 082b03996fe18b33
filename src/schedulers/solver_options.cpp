#include "schedulers/solver_options.h"

#include <algorithm>
#include <cstdlib>

#include "core/str.h"

#include "dedit/error.h"

namespace dedit {

namespace {

/// Names of the schedulers for which `has` holds, for hints.
template <class F>
std::string schedulers_with(F has) {
  std::string names;
  for (const Scheduler* other : all_schedulers()) {
    if (has(*other)) names += (names.empty() ? "" : ", ") + std::string(other->name);
  }
  return names;
}

const Param* find_param(const Scheduler& scheduler, std::string_view name) {
  for (const Param& param : scheduler.params) {
    if (param.name == name) return &param;
  }
  return nullptr;
}

double parse_setting(const Param& param, const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  if (param.kind == ParamKind::kChoice) {
    const auto found = std::find(param.choices.begin(), param.choices.end(), text);
    return found == param.choices.end() ? param.value : double(found - param.choices.begin());
  }
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size() && !text.empty() ? value : param.value;
}

}  // namespace

namespace {

void check_prediction(const Scheduler& scheduler, const SchedulerConfig& c) {
  const auto refuse = [&](const char* what, const char* hint) {
    throw Error(ErrorKind::kUsage, str("scheduler ", scheduler.name, " does not take ", what),
                hint);
  };
  if (c.prediction == Prediction::kSample && !scheduler.takes_sample) {
    refuse("networks that predict the sample", "use --scheduler euler or ddim");
  }
  if (scheduler.needs_flow) {
    if (c.prediction != Prediction::kFlow) {
      refuse("networks that predict other than the flow", "use a network trained by flow matching");
    }
  } else if (c.prediction == Prediction::kFlow && !scheduler.takes_flow) {
    refuse("networks that predict the flow", "use --scheduler flow_match_euler or unipc");
  }
}

}  // namespace

void check_options(const Scheduler& scheduler, const SolverOptions& o) {
  const int most = o.config.num_train_timesteps;
  if (o.steps < 1 || o.steps > most) {
    throw Error(ErrorKind::kUsage, str("--steps ", o.steps, " is outside 1..", most),
                "20 to 50 steps are usual");
  }
  const auto refuse = [&](const std::string& what, const std::string& names) {
    throw Error(ErrorKind::kUsage, str(what, ", and scheduler ", scheduler.name, " has none"),
                "use --scheduler " + names);
  };
  check_prediction(scheduler, o.config);
  if (o.sigmas != Sigmas::kDefault && !scheduler.karras) {
    refuse("--sigmas needs a sigma table", schedulers_with([](auto& s) { return s.karras; }));
  }
  if (!o.timesteps.empty() && !scheduler.takes_timesteps) {
    refuse("--timesteps needs a free timestep table",
           schedulers_with([](auto& s) { return s.takes_timesteps; }));
  }
  if (!o.sigma_values.empty() && !scheduler.takes_sigmas) {
    refuse("a list of sigmas needs a free sigma table",
           schedulers_with([](auto& s) { return s.takes_sigmas; }));
  }
  for (const auto& [name, value] : o.params) {
    if (!find_param(scheduler, name)) refuse_parameter(scheduler, name);
  }
}

void refuse_parameter(const Scheduler& scheduler, const std::string& name) {
  const std::string names =
      schedulers_with([&](auto& s) { return find_param(s, name) != nullptr; });
  throw Error(ErrorKind::kUsage, str("scheduler ", scheduler.name, " has no parameter ", name),
              names.empty() ? "dedit schedulers --json lists the parameters"
                            : name + " is a parameter of " + names);
}

Spacing resolve_spacing(const Scheduler& scheduler, const SolverOptions& options) {
  if (options.spacing != Spacing::kDefault) return options.spacing;
  if (options.config.spacing != Spacing::kDefault) return options.config.spacing;
  return scheduler.default_spacing;
}

Sigmas resolve_sigmas(const Scheduler& scheduler, const SolverOptions& options) {
  if (!scheduler.karras) return Sigmas::kDefault;
  return options.sigmas != Sigmas::kDefault ? options.sigmas : options.config.sigmas;
}

double parameter(const Scheduler& scheduler, const SolverOptions& o, std::string_view name) {
  const Param& param = *find_param(scheduler, name);
  double value = param.value;
  if (const auto given = o.params.find(name); given != o.params.end()) {
    value = given->second;
  } else if (const auto set = o.config.settings.find(name); set != o.config.settings.end()) {
    value = parse_setting(param, set->second);
    const auto& known = param.choices;
    if (name == "algorithm_type" && o.config.use == ConfigUse::kScheduler &&
        std::find(known.begin(), known.end(), set->second) == known.end()) {
      throw Error(ErrorKind::kUsage,
                  str("scheduler ", scheduler.name, " has no algorithm_type ", set->second));
    }
  }
  const double most =
      param.kind == ParamKind::kChoice ? double(param.choices.size()) - 1 : param.max;
  if (!(value >= param.min && value <= most)) {
    throw Error(ErrorKind::kUsage, str("scheduler ", scheduler.name, ": ", name, " ", value,
                                       " is outside ", param.min, "..", most));
  }
  return value;
}

std::optional<double> number_setting(const SchedulerConfig& c, std::string_view name) {
  const auto set = c.settings.find(name);
  if (set == c.settings.end()) return {};
  return std::strtod(set->second.c_str(), nullptr);
}

bool flag_setting(const SchedulerConfig& c, std::string_view name) {
  const auto set = c.settings.find(name);
  return set != c.settings.end() && set->second == "true";
}

NoiseSchedule training_schedule(const Scheduler& scheduler, const SolverOptions& options) {
  SchedulerConfig config = options.config;
  config.rescale_betas_zero_snr = config.rescale_betas_zero_snr && scheduler.rescales_snr;
  return NoiseSchedule(config);
}

bool lower_order_final(const SolverOptions& options, bool own_rule) {
  return options.config.lower_order_final.value_or(own_rule);
}

}  // namespace dedit

#include "schedulers/choice.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "core/str.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit {

namespace {

[[noreturn]] void usage(const std::string& message, const std::string& hint) {
  throw Error(ErrorKind::kUsage, message, hint);
}

/// Lower case letters and digits: what names of the same thing share. "DPM++ 2M" -> "dpmpp2m".
std::string plain(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == '+') out += 'p';
    if (std::isalnum(static_cast<unsigned char>(c))) {
      out += char(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

bool has_name(const Scheduler& s, const std::string& name) {
  if (plain(s.name) == name) return true;
  std::string_view rest = s.aliases;
  while (!rest.empty()) {
    const std::string_view alias = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), alias.size() + 1));
    if (plain(alias) == name) return true;
  }
  return false;
}

/// Rows of one class: the one of any setting, else the first.
const Scheduler* with_class(const std::string& name) {
  const Scheduler* found = nullptr;
  for (const Scheduler* s : all_schedulers()) {
    if (plain(s->diffusers_class) != name) continue;
    if (!found || s->class_settings.empty()) found = s;
  }
  return found;
}

const Scheduler* find_plain(const std::string& name) {
  for (const Scheduler* s : all_schedulers()) {
    if (has_name(*s, name)) return s;
  }
  return with_class(name);
}

bool drop_ending(std::string& name, std::string_view ending) {
  if (name.size() <= ending.size() || !name.ends_with(ending)) return false;
  name.resize(name.size() - ending.size());
  return true;
}

template <class T>
struct Word {
  std::string_view word;
  T value;
};

template <class T, size_t N>
T word_of(const char* what, const std::string& text, const Word<T> (&words)[N]) {
  std::string all;
  for (const Word<T>& w : words) {
    if (w.word == text) return w.value;
    all += str(all.empty() ? "" : ", ", w.word);
  }
  usage(str(what, " ", text, " is unknown"), "one of " + all);
}

double param_value(const Scheduler& scheduler, const Param& param, const std::string& text) {
  if (text == "true" || text == "false") {
    if (param.kind == ParamKind::kFlag) return text == "true";
  }
  if (param.kind == ParamKind::kChoice) {
    const auto found = std::find(param.choices.begin(), param.choices.end(), text);
    if (found != param.choices.end()) return double(found - param.choices.begin());
    std::string all;
    for (std::string_view choice : param.choices) all += str(all.empty() ? "" : ", ", choice);
    usage(str("scheduler ", scheduler.name, ": ", param.name, " ", text, " is unknown"),
          "one of " + all);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = param.kind == ParamKind::kReal || value == std::floor(value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
      !is_whole) {
    usage(str("scheduler ", scheduler.name, ": ", param.name, " '", text, "' is not a ",
              param.kind == ParamKind::kReal ? "number" : "whole number"),
          str(param.name, " is between ", param.min, " and ", param.max));
  }
  return value;
}

/// Splits settings into parameters of the row and fields of the config.
std::map<std::string, std::string> take_params(const Scheduler& scheduler,
                                               const ScheduleRequest& request, SolverOptions& o) {
  std::map<std::string, std::string> fields;
  for (const auto& [name, text] : request.settings) {
    const auto param = std::find_if(scheduler.params.begin(), scheduler.params.end(),
                                    [&](const Param& p) { return p.name == name; });
    if (param != scheduler.params.end()) {
      o.params[name] = param_value(scheduler, *param, text);
    } else if (is_config_field(name)) {
      fields[name] = text;
    } else {
      refuse_parameter(scheduler, name);
    }
  }
  return fields;
}

void apply_words(const ScheduleRequest& r, Sigmas named, SolverOptions& o) {
  if (!r.spacing.empty()) {
    o.spacing = word_of<Spacing>("spacing", r.spacing,
                                 {{"leading", Spacing::kLeading},
                                  {"linspace", Spacing::kLinspace},
                                  {"trailing", Spacing::kTrailing}});
  }
  o.sigmas = named;
  if (!r.sigmas.empty()) {
    o.sigmas = word_of<Sigmas>("sigmas", r.sigmas,
                               {{"default", Sigmas::kDefault},
                                {"karras", Sigmas::kKarras},
                                {"exponential", Sigmas::kExponential},
                                {"beta", Sigmas::kBeta}});
    if (o.sigmas == Sigmas::kDefault) o.config.sigmas = Sigmas::kDefault;
  }
  if (!r.prediction.empty()) {
    o.config.prediction = word_of<Prediction>("prediction", r.prediction,
                                              {{"epsilon", Prediction::kEpsilon},
                                               {"v_prediction", Prediction::kV},
                                               {"sample", Prediction::kSample},
                                               {"flow_prediction", Prediction::kFlow}});
  }
}

void check_descending(const char* what, const std::vector<double>& list, double most) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] < 0 || list[i] > most) {
      usage(str("the list of ", what, " has ", list[i]), str("they are between 0 and ", most));
    }
    if (i > 0 && list[i] >= list[i - 1]) {
      usage(str("the list of ", what, " does not descend at ", list[i]),
            "sort it, each value once");
    }
  }
}

/// Why we lack what a class or name asks for; empty where there is no more to say.
std::string reason_of_lack(std::string_view name) {
  const std::string known = plain(name);
  const auto has = [&](const char* part) { return known.find(part) != known.npos; };
  if (has("dpmsolversde") || has("dpmppsde") || has("kdpmppsde")) {
    return ": its noise is torchsde's Brownian tree";
  }
  if (has("withsolverp")) return ": its predictor is another scheduler object, not in any file";
  if (has("learned")) return ": its network has to predict the variance too";
  return "";
}

NamedScheduler from_config(const SchedulerConfig& config, bool strict,
                           std::vector<std::string>& warnings) {
  if (config.class_name.empty()) return {find_scheduler("pndm")};  // what SD 1.x checkpoints name
  if (const Scheduler* s = find_scheduler_class(config)) return {s};
  if (strict) {
    std::string names;
    for (const Scheduler* s : all_schedulers()) {
      if (names.find(s->diffusers_class) != std::string::npos) continue;
      names += str(names.empty() ? "" : ", ", s->diffusers_class);
    }
    usage(config.class_name + " is not available" + reason_of_lack(config.class_name),
          "one of " + names);
  }
  warnings.push_back(str("the checkpoint names ", config.class_name,
                         ", which is not available; running ddim instead"));
  return {find_scheduler("ddim")};
}

}  // namespace

NamedScheduler scheduler_named(std::string_view text) {
  const std::string name = plain(text);
  if (const Scheduler* s = find_plain(name)) return {s};
  const std::pair<const char*, Sigmas> endings[] = {{"karras", Sigmas::kKarras},
                                                    {"exponential", Sigmas::kExponential},
                                                    {"beta", Sigmas::kBeta},
                                                    {"k", Sigmas::kKarras}};
  for (const auto& [ending, sigmas] : endings) {
    std::string stem = name;
    if (!drop_ending(stem, ending)) continue;
    if (const Scheduler* s = find_plain(stem)) return {s, sigmas};
  }
  std::vector<std::string> names;
  std::string all;
  for (const Scheduler* s : all_schedulers()) {
    names.emplace_back(s->name);
    all += str(all.empty() ? "" : ", ", s->name);
  }
  const std::string reason = reason_of_lack(text);
  if (!reason.empty()) {
    usage(str("scheduler ", text, " is not available", reason), "dpmpp_2m_sde is the nearest");
  }
  const std::string meant = nearest(text, names);
  usage(str("scheduler ", text, " is unknown"),
        meant.empty() ? "one of " + all : "did you mean " + meant + "? dedit schedulers lists all");
}

ScheduleChoice choose_schedule(const ScheduleRequest& r, const SchedulerConfig& config,
                               bool strict) {
  ScheduleChoice choice;
  const NamedScheduler named = r.scheduler.empty() ? from_config(config, strict, choice.warnings)
                                                   : scheduler_named(r.scheduler);
  choice.scheduler = named.scheduler;
  SolverOptions& o = choice.options;
  const std::map<std::string, std::string> fields = take_params(*named.scheduler, r, o);
  // Another scheduler than the file's takes its own defaults for what the file leaves open.
  const bool is_other = !is_class_of(*named.scheduler, config.class_name);
  o.config = !is_other && fields.empty()
                 ? config
                 : with_settings(config, fields, named.scheduler->diffusers_class);
  o.steps = r.steps;
  o.timesteps = r.timesteps;
  o.sigma_values = r.sigma_values;
  if (!o.timesteps.empty() && !o.sigma_values.empty()) {
    usage("timesteps and sigmas are both listed", "give one of the lists");
  }
  check_descending("timesteps", o.timesteps, o.config.num_train_timesteps - 1);
  check_descending("sigmas", o.sigma_values, 1e6);
  if (!o.timesteps.empty()) o.steps = int(o.timesteps.size());
  if (!o.sigma_values.empty()) o.steps = int(o.sigma_values.size()) - 1;
  apply_words(r, named.sigmas, o);
  // The pipelines of the reference pass eta 0 to every scheduler that takes one, tcd's 0.3
  // included.
  const auto has_eta = [](const Param& p) { return p.name == "eta"; };
  const std::span<const Param> params = named.scheduler->params;
  if (config.use != ConfigUse::kScheduler && std::any_of(params.begin(), params.end(), has_eta)) {
    o.params.emplace("eta", 0);
  }
  return choice;
}

}  // namespace dedit

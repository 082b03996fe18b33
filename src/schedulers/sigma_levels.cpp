#include "schedulers/sigma_levels.h"

#include <cmath>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "core/str.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit {

namespace {

std::vector<double> picked_timesteps(const Scheduler& scheduler, const SolverOptions& o) {
  if (!o.timesteps.empty()) return o.timesteps;
  return spaced_timesteps(resolve_spacing(scheduler, o), o.steps, o.config.num_train_timesteps,
                          o.config.steps_offset, /*fractional=*/true);
}

/// A number of the file's own, if it is there.
std::optional<double> number(const SchedulerConfig& c, std::string_view name) {
  const auto set = c.settings.find(name);
  if (set == c.settings.end()) return {};
  return std::strtod(set->second.c_str(), nullptr);
}

/// Training steps in use: cosine schedules are cut where lambda falls below lambda_min_clipped.
int used_steps(const Scheduler& scheduler, const SolverOptions& o, const SigmaTable& table) {
  const int train = o.config.num_train_timesteps;
  const auto least = number(o.config, "lambda_min_clipped");
  if (!scheduler.clips_lambda || !least) return train;
  int n = train;  // lambda is -log sigma, and falls
  while (n > 1 && -std::log(table.at(n - 1)) < *least) --n;
  return n;
}

/// The lambda family spreads N + 1 points and drops the last (its trailing rule needs no such
/// point).
std::vector<double> whole_timesteps(const Scheduler& scheduler, const SolverOptions& o,
                                    const SigmaTable& table) {
  if (!o.timesteps.empty()) return o.timesteps;
  const Spacing spacing = resolve_spacing(scheduler, o);
  const bool is_trailing = spacing == Spacing::kTrailing;
  std::vector<double> t = spaced_timesteps(spacing, is_trailing ? o.steps : o.steps + 1,
                                           used_steps(scheduler, o, table), o.config.steps_offset,
                                           /*fractional=*/false);
  if (!is_trailing) t.pop_back();
  return t;
}

/// Level of a sigma of the f32 table.
NoiseLevel level_of(double sigma, double timestep, bool is_flow) {
  const double s = float(sigma);
  if (is_flow) return {.alpha = 1 - s, .sigma = s, .timestep = timestep};
  const double alpha = 1 / std::sqrt(s * s + 1);
  return {.alpha = alpha, .sigma = s * alpha, .timestep = timestep};
}

/// A level that occurs twice has no step size; only a spread's last one may, at its end.
void check_descending(const Scheduler& scheduler, const LambdaLevels& l) {
  for (size_t i = 1; i + 1 < l.levels.size(); ++i) {
    if (l.sigmas[i] < l.sigmas[i - 1]) continue;
    throw Error(ErrorKind::kUsage,
                str(scheduler.name, ": ", l.levels.size() - 1, " steps repeat timestep ",
                    l.levels[i].timestep),
                "use fewer steps");
  }
}

struct Spread {
  std::vector<double> sigmas, timesteps;
};

/// Sigmas spread between the file's ends, or those of the table in use.
std::vector<double> spread(const SchedulerConfig& c, Sigmas kind, double first, double last,
                           int n) {
  return spread_sigmas(kind, number(c, "sigma_max").value_or(first),
                       number(c, "sigma_min").value_or(last), n);
}

/// Sigmas of a flow by the network's own time, shifted: Esser et al. 2024 (arXiv:2403.03206),
/// equation 23. The reference's classes count from different ends.
Spread flow_sigmas(const SolverOptions& o, bool from_one) {
  const double shift = number(o.config, "flow_shift").value_or(1);
  const double train = o.config.num_train_timesteps;
  Spread spread;
  for (int i = o.steps; i > 0; --i) {
    const double step = (1 - 1 / train) / o.steps;
    double sigma = from_one ? 1 - (o.steps - i) * step : i * step;
    sigma = shift * sigma / (1 + (shift - 1) * sigma);
    if (from_one && std::abs(sigma - 1) < 1e-6) sigma -= 1e-6;  // an infinite lambda otherwise
    spread.sigmas.push_back(sigma);
    spread.timesteps.push_back(std::trunc(sigma * train));
  }
  return spread;
}

}  // namespace

std::vector<double> SigmaLevels::sigmas() const {
  std::vector<double> all;
  for (const NoiseLevel& level : levels) all.push_back(level.sigma);
  all.push_back(final_sigma);
  return all;
}

SigmaLevels sigma_levels(const Scheduler& scheduler, const SolverOptions& o,
                         const SigmaTable& table) {
  SigmaLevels result;
  // The reference's table is f32.
  const auto push = [&](double sigma, double timestep) {
    result.levels.push_back({.alpha = 1, .sigma = float(sigma), .timestep = timestep});
  };
  const Sigmas kind = resolve_sigmas(scheduler, o);
  if (!o.sigma_values.empty()) {
    for (size_t i = 0; i + 1 < o.sigma_values.size(); ++i) {
      push(o.sigma_values[i], float(table.timestep_of(float(o.sigma_values[i]))));
    }
    result.final_sigma = o.sigma_values.back();
  } else if (const std::vector<double> t = picked_timesteps(scheduler, o);
             kind != Sigmas::kDefault) {
    // Between the ends of the spaced table, not of the training range.
    for (double sigma : spread(o.config, kind, table.at(t.front()), table.at(t.back()), o.steps)) {
      push(sigma, float(table.timestep_of(sigma)));
    }
  } else {
    for (double timestep : t) push(table.at(timestep), timestep);
  }
  const double most = result.levels.front().sigma;
  const bool is_leading = resolve_spacing(scheduler, o) == Spacing::kLeading;
  result.initial_scale = is_leading ? std::sqrt(most * most + 1) : most;
  return result;
}

LambdaLevels lambda_levels(const Scheduler& scheduler, const SolverOptions& o, FinalSigma rule) {
  const SchedulerConfig& c = o.config;
  const SigmaTable table{training_schedule(scheduler, o)};
  const Sigmas kind = resolve_sigmas(scheduler, o);
  const auto flow = c.settings.find("use_flow_sigmas");
  Spread s;
  LambdaLevels result;
  result.is_flow = flow != c.settings.end() && flow->second == "true";
  if (kind != Sigmas::kDefault) {
    // Karras timesteps are rounded, the others cut, as the reference; so are Karras ones of the
    // cosine schedule in some classes, whose table is dense there.
    s.sigmas = spread(c, kind, table.back(), table.front(), o.steps);
    const bool is_cut = (kind != Sigmas::kKarras && kind != Sigmas::kLu) ||
                        (c.beta_schedule == "squaredcos_cap_v2" && rule == FinalSigma::kConfigs);
    for (double& sigma : s.sigmas) {
      if (result.is_flow) sigma /= sigma + 1;
      const double t = result.is_flow ? sigma * c.num_train_timesteps : table.timestep_of(sigma);
      s.timesteps.push_back(is_cut || result.is_flow ? std::trunc(t) : std::nearbyint(t));
    }
  } else if (result.is_flow) {
    s = flow_sigmas(o, rule == FinalSigma::kConfigsOrLast);
  } else {
    s.timesteps = whole_timesteps(scheduler, o, table);
    for (double t : s.timesteps) s.sigmas.push_back(table.at(t));
  }
  const bool is_spread = kind != Sigmas::kDefault || result.is_flow;
  double last = is_spread && rule != FinalSigma::kConfigs ? s.sigmas.back() : table.front();
  if (rule != FinalSigma::kLast && c.final_sigma_zero) last = 0;
  s.sigmas.push_back(last);
  s.timesteps.push_back(0);
  for (size_t i = 0; i < s.sigmas.size(); ++i) {
    result.levels.push_back(level_of(s.sigmas[i], s.timesteps[i], result.is_flow));
    result.sigmas.push_back(float(s.sigmas[i]));
  }
  check_descending(scheduler, result);
  return result;
}

double lambda_of(const NoiseLevel& level) {
  return std::log(level.alpha) - std::log(level.sigma);
}

}  // namespace dedit

#include "schedulers/sigma_levels.h"

#include <cmath>
#include <optional>

#include "core/str.h"
#include "schedulers/flow_levels.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit {

namespace {

std::vector<double> picked_timesteps(const Scheduler& scheduler, const SolverOptions& o) {
  if (!o.timesteps.empty()) return o.timesteps;
  return spaced_timesteps(resolve_spacing(scheduler, o), o.steps, o.config.num_train_timesteps,
                          o.config.steps_offset, /*fractional=*/true);
}

/// Training steps in use: cosine schedules are cut where lambda falls below lambda_min_clipped.
int used_steps(const Scheduler& scheduler, const SolverOptions& o, const SigmaTable& table) {
  const int train = o.config.num_train_timesteps;
  const auto least = number_setting(o.config, "lambda_min_clipped");
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
  const int used = used_steps(scheduler, o, table), train = o.config.num_train_timesteps;
  if (spacing == Spacing::kTrailing) {
    std::vector<double> t = spaced_timesteps(spacing, o.steps, train, 0, /*fractional=*/false);
    if (used == train) return t;
    // The step stays that of all of the training, so that fewer fit in.
    const double step = double(train) / o.steps;
    for (size_t i = 0; i < t.size(); ++i) t[i] = std::nearbyint(used - double(i) * step) - 1;
    while (t.back() < 0) t.pop_back();
    return t;
  }
  std::vector<double> t =
      spaced_timesteps(spacing, o.steps + 1, used, o.config.steps_offset, /*fractional=*/false);
  t.pop_back();
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
  return spread_sigmas(kind, number_setting(c, "sigma_max").value_or(first),
                       number_setting(c, "sigma_min").value_or(last), n);
}

/// Sigmas of a flow by the network's own time, shifted: Esser et al. 2024 (arXiv:2403.03206),
/// equation 23. The reference's classes count from different ends.
Spread flow_sigmas(const SolverOptions& o, bool from_one) {
  const double fixed = number_setting(o.config, "flow_shift").value_or(1);
  const double shift = dynamic_shift(o.config).value_or(fixed);
  const double train = o.config.num_train_timesteps;
  Spread spread;
  for (int i = o.steps; i > 0; --i) {
    // np.linspace(1, 1 / train, steps + 1), whose last element is exact; timesteps are cut.
    const double step = (1 / train - 1) / o.steps;
    const double sigma = from_one       ? (o.steps - i) * step + 1
                         : i == o.steps ? 1 - 1 / train
                                        : 1 - (i * step + 1);
    spread.sigmas.push_back(shift * sigma / (1 + (shift - 1) * sigma));
  }
  if (from_one) {
    stretch_to_terminal(o.config, spread.sigmas);
    double& first = spread.sigmas.front();
    if (std::abs(first - 1) < 1e-6) first -= 1e-6;  // an infinite lambda otherwise
  }
  for (double sigma : spread.sigmas) spread.timesteps.push_back(std::trunc(sigma * train));
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
  Spread s;
  LambdaLevels result;
  result.is_flow = flag_setting(c, "use_flow_sigmas");
  if (kind != Sigmas::kDefault) {
    // Karras timesteps are rounded, the others cut, as the reference; so are Karras ones of the
    // cosine schedule in one class, whose table is dense there.
    s.sigmas = kind == Sigmas::kLu ? table.even_in_log(o.steps)
                                   : spread(c, kind, table.back(), table.front(), o.steps);
    const bool is_multistep = scheduler.diffusers_class == "DPMSolverMultistepScheduler";
    const bool is_cut = (kind != Sigmas::kKarras && kind != Sigmas::kLu) ||
                        (c.beta_schedule == "squaredcos_cap_v2" && is_multistep);
    // One class makes the spread one of flows; in the others alpha is then 1 - sigma as it is.
    const bool is_turned =
        result.is_flow && kind == Sigmas::kKarras && rule == FinalSigma::kConfigsOrLast;
    for (double& sigma : s.sigmas) {
      if (is_turned) sigma /= sigma + 1;
      const double t = is_turned ? sigma * c.num_train_timesteps : table.timestep_of(sigma);
      s.timesteps.push_back(is_cut || is_turned ? std::trunc(t) : std::nearbyint(t));
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

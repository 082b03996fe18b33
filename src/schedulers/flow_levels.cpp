#include "schedulers/flow_levels.h"

#include <cmath>

#include "core/str.h"
#include "schedulers/sigma_table.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit {

namespace {

double shifted(double sigma, double shift) {
  return shift * sigma / (1 + (shift - 1) * sigma);
}

/// Before the shift, one per step: the listed ones, or evenly spread from 1 to `least`.
std::vector<double> picked_sigmas(const SolverOptions& o, double least) {
  std::vector<double> sigmas = o.sigma_values;
  if (!sigmas.empty()) {
    sigmas.pop_back();  // the final one, 0
    return sigmas;
  }
  for (double timestep : o.timesteps) sigmas.push_back(timestep / o.config.num_train_timesteps);
  for (int i = 0; i < o.steps && o.timesteps.empty(); ++i) {
    sigmas.push_back(o.steps > 1 ? 1 + i * (least - 1) / (o.steps - 1) : 1);
  }
  return sigmas;
}

std::optional<double> mu_of(const SchedulerConfig& c) {
  if (const auto mu = number_setting(c, "mu")) return mu;
  const auto length = number_setting(c, "image_seq_len");
  if (!length) return {};
  const double short_mu = number_setting(c, "base_shift").value_or(0.5);
  const double long_mu = number_setting(c, "max_shift").value_or(1.15);
  const double shortest = number_setting(c, "base_image_seq_len").value_or(256);
  const double longest = number_setting(c, "max_image_seq_len").value_or(4096);
  return short_mu + (*length - shortest) * (long_mu - short_mu) / (longest - shortest);
}

}  // namespace

std::optional<double> dynamic_shift(const SchedulerConfig& c) {
  if (!flag_setting(c, "use_dynamic_shifting")) return {};
  const std::optional<double> mu = mu_of(c);
  if (!mu) return {};
  const auto type = c.settings.find("time_shift_type");
  const bool is_linear = type != c.settings.end() && type->second == "linear";
  const double shift = is_linear ? *mu : std::exp(*mu);
  if (!(shift > 0 && std::isfinite(shift))) {
    throw Error(ErrorKind::kUsage, str("mu ", *mu, " leaves no shift of the sigmas"),
                is_linear ? "a linear time shift needs a mu above 0" : "0.5 to 1.15 are usual");
  }
  return shift;
}

void require_mu(const Scheduler& scheduler, const SchedulerConfig& c) {
  if (!flag_setting(c, "use_dynamic_shifting") || mu_of(c)) return;
  throw Error(ErrorKind::kUsage,
              str("scheduler ", scheduler.name, ": use_dynamic_shifting needs a mu"),
              "set mu, or image_seq_len to the number of the picture's tokens");
}

void stretch_to_terminal(const SchedulerConfig& c, std::vector<double>& sigmas) {
  const double terminal = number_setting(c, "shift_terminal").value_or(0);
  if (terminal == 0) return;
  const double scale = (1 - sigmas.back()) / (1 - terminal);
  for (double& sigma : sigmas) sigma = 1 - (1 - sigma) / scale;
}

std::vector<NoiseLevel> flow_levels(const Scheduler& scheduler, const SolverOptions& o) {
  const double train = o.config.num_train_timesteps;
  const bool knows_more = scheduler.takes_sigmas;  // than Heun's class
  double shift = parameter(scheduler, o, "shift");
  double least = float(1 / train);
  if (knows_more && flag_setting(o.config, "use_dynamic_shifting")) {
    require_mu(scheduler, o.config);
    shift = *dynamic_shift(o.config);  // of the picked sigmas alone
  } else {
    least = float(shifted(least, shift));
  }
  std::vector<double> sigmas = picked_sigmas(o, least);
  for (double& sigma : sigmas) sigma = shifted(sigma, shift);
  if (knows_more) stretch_to_terminal(o.config, sigmas);
  const Sigmas kind = resolve_sigmas(scheduler, o);
  if (kind != Sigmas::kDefault) {
    sigmas = spread_sigmas(kind, sigmas.front(), sigmas.back(), int(sigmas.size()));
  }
  std::vector<NoiseLevel> levels;
  for (size_t i = 0; i < sigmas.size(); ++i) {
    const float s = float(sigmas[i]);
    // Listed timesteps are told as they are, though the shift moves their sigmas.
    const double timestep = o.timesteps.empty() ? s * float(train) : o.timesteps[i];
    levels.push_back({.alpha = 1 - double(s), .sigma = s, .timestep = timestep});
  }
  return levels;
}

}  // namespace dedit

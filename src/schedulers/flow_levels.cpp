#include "schedulers/flow_levels.h"

#include <cstdlib>

#include "schedulers/sigma_table.h"
#include "schedulers/solver_options.h"

namespace dedit {

namespace {

/// The spread stretched so that it ends at the config's shift_terminal, by the schedulers that know
/// it.
void stretch(const Scheduler& scheduler, const SolverOptions& o, std::vector<double>& sigmas) {
  const auto set = o.config.settings.find("shift_terminal");
  if (!scheduler.takes_sigmas || set == o.config.settings.end()) return;
  const double terminal = std::strtod(set->second.c_str(), nullptr);
  if (terminal == 0) return;
  const double scale = (1 - sigmas.back()) / (1 - terminal);
  for (double& sigma : sigmas) sigma = 1 - (1 - sigma) / scale;
}

}  // namespace

std::vector<NoiseLevel> flow_levels(const Scheduler& scheduler, const SolverOptions& o) {
  const double shift = parameter(scheduler, o, "shift");
  const double train = o.config.num_train_timesteps;
  const auto shifted = [&](double sigma) { return shift * sigma / (1 + (shift - 1) * sigma); };
  const double least = float(shifted(float(1 / train)));
  std::vector<double> sigmas = o.sigma_values;
  if (!sigmas.empty()) sigmas.pop_back();  // the final one, 0
  for (int i = 0; i < o.steps && o.sigma_values.empty(); ++i) {
    sigmas.push_back(o.steps > 1 ? 1 + i * (least - 1) / (o.steps - 1) : 1);
  }
  for (double& sigma : sigmas) sigma = shifted(sigma);
  stretch(scheduler, o, sigmas);
  const Sigmas kind = resolve_sigmas(scheduler, o);
  if (kind != Sigmas::kDefault) {
    sigmas = spread_sigmas(kind, sigmas.front(), sigmas.back(), int(sigmas.size()));
  }
  std::vector<NoiseLevel> levels;
  for (double sigma : sigmas) {
    const float s = float(sigma);
    levels.push_back({.alpha = 1 - double(s), .sigma = s, .timestep = s * float(train)});
  }
  return levels;
}

}  // namespace dedit

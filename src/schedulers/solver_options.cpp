#include "schedulers/solver_options.h"

#include "core/str.h"

#include "dedit/error.h"

namespace dedit {

void check_options(const Scheduler& scheduler, const SolverOptions& options) {
  const int most = options.config.num_train_timesteps;
  if (options.steps < 1 || options.steps > most) {
    throw Error(ErrorKind::kUsage, str("--steps ", options.steps, " is outside 1..", most),
                "20 to 50 steps are usual");
  }
  if (options.sigmas == Sigmas::kKarras && !scheduler.karras) {
    std::string names;
    for (const Scheduler* other : all_schedulers()) {
      if (other->karras) names += (names.empty() ? "" : " or ") + std::string(other->name);
    }
    throw Error(ErrorKind::kUsage,
                str("--sigmas karras: scheduler ", scheduler.name, " has no sigma table"),
                "use --scheduler " + names);
  }
}

Spacing resolve_spacing(const Scheduler& scheduler, const SolverOptions& options) {
  if (options.spacing != Spacing::kDefault) return options.spacing;
  if (options.config.spacing != Spacing::kDefault) return options.config.spacing;
  return scheduler.default_spacing;
}

bool wants_karras(const SolverOptions& options) {
  return options.sigmas == Sigmas::kKarras || options.config.use_karras_sigmas;
}

}  // namespace dedit

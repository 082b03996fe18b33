#include "schedulers/sigma_levels.h"

#include <cmath>

#include "schedulers/solver_options.h"

namespace dedit {

SigmaLevels sigma_levels(const Scheduler& scheduler, const SolverOptions& o,
                         const SigmaTable& table) {
  const SchedulerConfig& c = o.config;
  const Spacing spacing = resolve_spacing(scheduler, o);
  SigmaLevels result;
  // The reference's table is f32.
  const auto push = [&](double sigma, double timestep) {
    result.levels.push_back({.alpha = 1, .sigma = float(sigma), .timestep = timestep});
  };
  const std::vector<double> timesteps = spaced_timesteps(spacing, o.steps, c.num_train_timesteps,
                                                         c.steps_offset, /*fractional=*/true);
  if (wants_karras(o)) {  // between the ends of the spaced table, not of the training range
    for (double sigma :
         karras_sigmas(table.at(timesteps.front()), table.at(timesteps.back()), o.steps)) {
      push(sigma, float(table.timestep_of(sigma)));
    }
  } else {
    for (double t : timesteps) push(table.at(t), t);
  }
  const double most = result.levels.front().sigma;
  result.initial_scale = spacing == Spacing::kLeading ? std::sqrt(most * most + 1) : most;
  return result;
}

}  // namespace dedit

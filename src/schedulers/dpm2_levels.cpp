#include "schedulers/dpm2_levels.h"

#include <cmath>

#include "schedulers/solver_options.h"

namespace dedit {

Dpm2Table dpm2_table(const Scheduler& scheduler, const SolverOptions& o,
                     double (*target)(double, double)) {
  const SigmaTable table{training_schedule(scheduler, o)};
  SigmaLevels nominal = sigma_levels(scheduler, o, table);
  Dpm2Table result;
  result.initial_scale = nominal.initial_scale;
  result.steps = nominal.sigmas();
  const bool is_karras = resolve_sigmas(scheduler, o) == Sigmas::kKarras;
  for (size_t i = 0; i < nominal.levels.size(); ++i) {
    NoiseLevel level = nominal.levels[i];
    if (is_karras) level.timestep = std::nearbyint(table.timestep_of(level.sigma));
    result.levels.push_back(level);
    result.sigmas.insert(result.sigmas.end(), i == 0 ? 1 : 2, level.sigma);
    if (i + 1 == nominal.levels.size()) break;
    const float aim = std::log(float(target(result.steps[i], result.steps[i + 1])));
    const float from = std::log(float(level.sigma));
    const float middle = std::exp(from + 0.5f * (aim - from));  // the reference's lerp, in f32
    result.levels.push_back(
        {.alpha = 1, .sigma = middle, .timestep = float(table.timestep_of(middle))});
  }
  result.sigmas.insert(result.sigmas.end(), 3, 0.0);
  return result;
}

}  // namespace dedit

// The noise levels of the schedulers that step along sigma with x = x0 + sigma * noise: the rules
// of the reference's Euler family, shared by its members.
#pragma once

#include <vector>

#include "schedulers/sigma_table.h"

namespace dedit {

struct SigmaLevels {
  std::vector<NoiseLevel> levels;  ///< one per nominal step, sigma descending, alpha 1
  double initial_scale = 1;        ///< reference `init_noise_sigma`
};

/// Levels at the spaced timesteps, or Karras sigmas between the ends of these. Throws
/// Error(kUsage) where the spacing cannot make the step count.
SigmaLevels sigma_levels(const Scheduler&, const SolverOptions&, const SigmaTable&);

}  // namespace dedit

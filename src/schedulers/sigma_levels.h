// The noise levels of the two families of schedulers that step along the sigmas of a table, by the
// rules of the reference, shared by their members.
#pragma once

#include <vector>

#include "schedulers/sigma_table.h"

namespace dedit {

/// Euler's family: x = x0 + sigma * noise, fractional timesteps.
struct SigmaLevels {
  std::vector<NoiseLevel> levels;      ///< one per nominal step, sigma descending, alpha 1
  double final_sigma = 0;              ///< after the last step
  double initial_scale = 1;            ///< reference `init_noise_sigma`
  std::vector<double> sigmas() const;  ///< with the final one
};

/// Levels at the spaced or given timesteps, or sigmas spread between the ends of these. Throws
/// Error(kUsage) where the spacing cannot make the step count.
SigmaLevels sigma_levels(const Scheduler&, const SolverOptions&, const SigmaTable&);

/// DPM-Solver's family: variance preserving, or flow; whole timesteps, N + 1 points of which the
/// last is dropped.
struct LambdaLevels {
  std::vector<NoiseLevel> levels;  ///< the final one included
  std::vector<double> sigmas;      ///< reference `sigmas`
  bool is_flow = false;
};

/// The sigma after the last step.
enum class FinalSigma {
  kConfigs,        ///< the config's: zero, or timestep 0's
  kConfigsOrLast,  ///< the same, but of spread sigmas the last one again
  kLast            ///< timestep 0's, of spread sigmas the last one again
};
/// Throws Error(kUsage) for step counts that would repeat a level.
LambdaLevels lambda_levels(const Scheduler&, const SolverOptions&, FinalSigma);

/// lambda of the papers: half the log signal-to-noise ratio; infinite where clean.
double lambda_of(const NoiseLevel&);

}  // namespace dedit

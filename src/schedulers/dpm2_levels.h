// The levels of DPM2's two calls per step: at a sigma of the table and between it and the next.
#pragma once

#include <vector>

#include "schedulers/sigma_levels.h"

namespace dedit {

/// The table of a DPM2 row: sigmas between levels at whole Karras timesteps, as the reference.
struct Dpm2Table {
  std::vector<double> steps;       ///< sigma of each nominal step, 0 last
  std::vector<NoiseLevel> levels;  ///< one per call; the last step has one, as it ends clean
  std::vector<double> sigmas;      ///< the reference's `sigmas`: each but the first twice
  double initial_scale = 1;
};

/// `target(from, to)` is the sigma that the deterministic part of step from -> to aims at; the
/// middle is the geometric mean of it and `from`.
Dpm2Table dpm2_table(const Scheduler&, const SolverOptions&, double (*target)(double, double));

}  // namespace dedit

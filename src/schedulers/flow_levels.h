// Levels of a flow x = (1 - sigma) x0 + sigma noise: Esser et al. 2024 (arXiv:2403.03206),
// section 5.3.2.
#pragma once

#include <vector>

#include "schedulers/scheduler.h"

namespace dedit {

inline constexpr Param kFlowParams[] = {
    {.name = "shift",
     .value = 1,
     .min = 0.001,
     .max = 1000,
     .help = "moves the steps towards noise, for larger pictures"},
};

/// One per nominal step. As the reference, the shift acts twice on the last sigma: its table of
/// training sigmas is shifted, and so are the N picked from it.
std::vector<NoiseLevel> flow_levels(const Scheduler&, const SolverOptions&);

}  // namespace dedit

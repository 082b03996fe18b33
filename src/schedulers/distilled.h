// What the schedulers of consistency-distilled networks share: their timesteps.
#pragma once

#include <vector>

#include "schedulers/scheduler.h"

namespace dedit {

inline constexpr Param kOriginalStepsParam = {
    .name = "original_inference_steps",
    .kind = ParamKind::kInt,
    .value = 50,
    .min = 1,
    .max = 1000,
    .help = "steps of the teacher, from which the steps are picked",
};

/// `steps` of the teacher's timesteps, or the given ones. Throws Error(kUsage) for more steps than
/// the teacher has.
std::vector<double> distilled_timesteps(const Scheduler&, const SolverOptions&);

}  // namespace dedit

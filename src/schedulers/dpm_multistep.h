// The solver behind the multistep rows of DPM-Solver.
#pragma once

#include <memory>

#include "schedulers/dpm_weights.h"

namespace dedit {

/// Throws Error(kUsage) for options that the row cannot do, and for a third order of sde-dpmsolver,
/// which the reference lacks too.
std::unique_ptr<Solver> make_dpm_multistep(const Scheduler&, const SolverOptions&,
                                           DpmAlgorithm algorithm, int order);

/// What every row has.
inline constexpr Param kDpmMultistepParams[] = {
    {.name = "solver_type",
     .kind = ParamKind::kChoice,
     .help = "weight of the second-order term",
     .choices = kDpmTypes},
    {.name = "euler_at_final",
     .kind = ParamKind::kFlag,
     .max = 1,
     .help = "first order in the last step"},
};

}  // namespace dedit

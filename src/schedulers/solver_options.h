// What every scheduler's make() does with its options before it builds a table.
#pragma once

#include "schedulers/scheduler.h"

namespace dedit {

/// Throws Error(kUsage) unless 1 <= steps <= the training steps, and if Karras sigmas are asked of
/// a scheduler without a sigma table.
void check_options(const Scheduler&, const SolverOptions&);

/// The option's spacing, else the checkpoint's, else the scheduler's own.
Spacing resolve_spacing(const Scheduler&, const SolverOptions&);

/// Whether the sigma table follows Karras et al.: asked for, or the checkpoint's setting.
bool wants_karras(const SolverOptions&);

}  // namespace dedit

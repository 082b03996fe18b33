// What `schedule` and the toy run share.
#pragma once

#include "schedulers/choice.h"

#include "dedit/schedule.h"

namespace dedit {

/// The levels of `solver`, which `choice` made.
ScheduleTable tabulate(const ScheduleChoice& choice, const Solver& solver);

}  // namespace dedit

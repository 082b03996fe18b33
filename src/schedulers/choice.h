// A user's words to a row of the registry and its options.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schedulers/scheduler.h"

#include "dedit/schedule.h"

namespace dedit {

struct ScheduleChoice {
  const Scheduler* scheduler = nullptr;
  SolverOptions options;
  std::vector<std::string> warnings;
};

/// `request` over `config`; with `strict`, a config whose class is not available is refused,
/// otherwise ddim runs and a warning says so. Throws Error(kUsage), naming what is near.
ScheduleChoice choose_schedule(const ScheduleRequest& request, const SchedulerConfig& config,
                               bool strict);

/// A scheduler by its name, a diffusers class or a name of other tools, in any case and with any
/// punctuation; the name's ending may say the sigmas.
struct NamedScheduler {
  const Scheduler* scheduler = nullptr;
  Sigmas sigmas = Sigmas::kDefault;
};
/// Throws Error(kUsage) for an unknown one, naming the nearest.
NamedScheduler scheduler_named(std::string_view text);

}  // namespace dedit

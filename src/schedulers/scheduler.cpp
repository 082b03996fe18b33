#include "schedulers/scheduler.h"

#include <cmath>

namespace dedit {

double Solver::input_scale(int i) const {
  const NoiseLevel& level = levels_[size_t(i)];
  return 1.0 / std::sqrt(level.alpha * level.alpha + level.sigma * level.sigma);
}

const Scheduler* find_scheduler(std::string_view name) {
  for (const Scheduler* scheduler : all_schedulers()) {
    if (scheduler->name == name) return scheduler;
  }
  return nullptr;
}

const Scheduler* find_scheduler_class(std::string_view diffusers_class) {
  for (const Scheduler* scheduler : all_schedulers()) {
    if (scheduler->diffusers_class == diffusers_class) return scheduler;
  }
  return nullptr;
}

}  // namespace dedit

#include "schedulers/scheduler.h"

#include <algorithm>
#include <cmath>

namespace dedit {

double Solver::input_scale(int i) const {
  if (is_flow_) return 1;
  const NoiseLevel& level = levels_[size_t(i)];
  return 1.0 / std::sqrt(level.alpha * level.alpha + level.sigma * level.sigma);
}

const Scheduler* find_scheduler(std::string_view name) {
  for (const Scheduler* scheduler : all_schedulers()) {
    if (scheduler->name == name) return scheduler;
  }
  return nullptr;
}

namespace {

/// Whether the file's fields, absent ones at their defaults (dpmsolver++, 2), are the row's.
bool settings_agree(std::string_view wanted, const SchedulerConfig& config) {
  while (!wanted.empty()) {
    const std::string_view pair = wanted.substr(0, wanted.find(' '));
    wanted.remove_prefix(std::min(wanted.size(), pair.size() + 1));
    const std::string_view name = pair.substr(0, pair.find('='));
    const std::string_view value = pair.substr(pair.find('=') + 1);
    const auto found = config.settings.find(name);
    const std::string_view absent = name == "solver_order" ? "2" : "dpmsolver++";
    if ((found == config.settings.end() ? absent : std::string_view(found->second)) != value) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool is_class_of(const Scheduler& scheduler, std::string_view class_name) {
  if (class_name.empty()) return false;
  if (scheduler.diffusers_class == class_name) return true;
  // Classes of the same steps are among the aliases ("DDIMParallelScheduler").
  const std::string_view all = scheduler.aliases;
  const size_t at = all.find(class_name);
  const size_t end = at + class_name.size();
  return at != all.npos && (at == 0 || all[at - 1] == ' ') &&
         (end == all.size() || all[end] == ' ');
}

const Scheduler* find_scheduler_class(const SchedulerConfig& config) {
  const Scheduler* any = nullptr;
  for (const Scheduler* scheduler : all_schedulers()) {
    if (!is_class_of(*scheduler, config.class_name)) continue;
    if (scheduler->class_settings.empty()) {
      any = scheduler;
    } else if (settings_agree(scheduler->class_settings, config)) {
      return scheduler;
    }
  }
  return any;
}

}  // namespace dedit

#include "schedulers/distilled.h"

#include <cmath>

#include "core/str.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit {

std::vector<double> distilled_timesteps(const Scheduler& scheduler, const SolverOptions& o) {
  if (!o.timesteps.empty()) return o.timesteps;
  const int train = o.config.num_train_timesteps;
  const int teacher = int(parameter(scheduler, o, kOriginalStepsParam.name));
  if (teacher > train || o.steps > teacher) {
    throw Error(ErrorKind::kUsage,
                str("scheduler ", scheduler.name, ": ", o.steps, " steps of ", teacher,
                    " original ones, of ", train, " trained, cannot be picked"),
                "use fewer steps");
  }
  std::vector<double> timesteps;
  for (int i = 0; i < o.steps; ++i) {
    const int skipped = int(std::floor(i * (double(teacher) / o.steps)));
    timesteps.push_back((teacher - skipped) * (train / teacher) - 1);
  }
  return timesteps;
}

}  // namespace dedit

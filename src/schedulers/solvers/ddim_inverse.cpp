#include <algorithm>
#include <cmath>

#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit::schedulers {

extern const Scheduler ddim_inverse;

namespace {

/// DDIM from clean to noise. As the reference, the network is told the timestep a step ahead of
/// the sample's own level.
class DdimInverse : public Solver {
 public:
  explicit DdimInverse(const SolverOptions& o) {
    const SchedulerConfig& c = o.config;
    const NoiseSchedule schedule = training_schedule(ddim_inverse, o);
    const double first = c.set_alpha_to_one.value_or(true) ? 1.0 : schedule.alpha_bar(0);
    const Spacing spacing = resolve_spacing(ddim_inverse, o);
    if (spacing == Spacing::kLinspace) {
      throw Error(ErrorKind::kUsage, "scheduler ddim_inverse has no linspace spacing",
                  "use --spacing leading or trailing");
    }
    std::vector<double> timesteps = spaced_timesteps(spacing, o.steps, c.num_train_timesteps,
                                                     c.steps_offset, /*fractional=*/false);
    std::reverse(timesteps.begin(), timesteps.end());
    for (double t : timesteps) {
      const int from = int(t) - c.num_train_timesteps / o.steps;
      const double alpha_bar = from >= 0 ? schedule.alpha_bar(from) : first;
      levels_.push_back({std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar), t});
      const double next = schedule.alpha_bar(int(t));
      targets_.push_back({std::sqrt(next), std::sqrt(1 - next), t});
    }
  }

  Tensor step(Ctx& ctx, int i, const Tensor&, const Estimate& estimate, const Tensor*) override {
    const NoiseLevel& to = targets_[size_t(i)];
    return ops::lincomb(ctx, {{to.alpha, &estimate.x0}, {to.sigma, &estimate.eps}});
  }

 private:
  std::vector<NoiseLevel> targets_;  // where step i arrives
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(ddim_inverse, options);
  return std::make_unique<DdimInverse>(options);
}

}  // namespace

const Scheduler ddim_inverse = {
    .name = "ddim_inverse",
    .summary = "ddim backwards, from a picture to the noise that makes it",
    .paper =
        "Song et al. 2020, arXiv:2010.02502, section 4.3; Mokady et al. 2022, arXiv:2211.09794",
    .diffusers_class = "DDIMInverseScheduler",
    .order = 1,
    .clips = true,
    .rescales_snr = true,
    .inverts = true,
    .default_spacing = Spacing::kLeading,
    .make = make,
};

}  // namespace dedit::schedulers

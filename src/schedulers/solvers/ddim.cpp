#include <cmath>

#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler ddim;

namespace {

class Ddim : public Solver {
 public:
  explicit Ddim(const SolverOptions& o) {
    const SchedulerConfig& c = o.config;
    const NoiseSchedule schedule(c);
    // The class's own rule for the level after the last step is "clean" (set_alpha_to_one).
    const double final_alpha_bar = c.set_alpha_to_one.value_or(true) ? 1.0 : schedule.alpha_bar(0);
    for (double t : spaced_timesteps(resolve_spacing(ddim, o), o.steps, c.num_train_timesteps,
                                     c.steps_offset, /*fractional=*/false)) {
      const double alpha_bar = schedule.alpha_bar(int(t));
      levels_.push_back({std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar), t});
      // The reference steps by T / N (an integer quotient) under every spacing, so with linspace
      // and trailing the target is not always the next level.
      const int next = int(t) - c.num_train_timesteps / o.steps;
      const double next_alpha_bar = next >= 0 ? schedule.alpha_bar(next) : final_alpha_bar;
      targets_.push_back({std::sqrt(next_alpha_bar), std::sqrt(1 - next_alpha_bar), double(next)});
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
  check_options(ddim, options);
  return std::make_unique<Ddim>(options);
}

}  // namespace

const Scheduler ddim = {
    .name = "ddim",
    .summary = "first order in variance-preserving space, one network call per step",
    .paper = "Song et al. 2020, arXiv:2010.02502",
    .diffusers_class = "DDIMScheduler",
    .order = 1,
    .default_spacing = Spacing::kLeading,
    .make = make,
};

}  // namespace dedit::schedulers

#include <cmath>

#include "schedulers/sigma_table.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler euler;

namespace {

/// x = x0 + sigma * noise, dx/dsigma = eps.
class Euler : public Solver {
 public:
  explicit Euler(const SolverOptions& o) {
    const SchedulerConfig& c = o.config;
    const SigmaTable table{NoiseSchedule(c)};
    const Spacing spacing = resolve_spacing(euler, o);
    for (double t : spaced_timesteps(spacing, o.steps, c.num_train_timesteps, c.steps_offset,
                                     /*fractional=*/true)) {
      push(table.at(t), t);
    }
    if (wants_karras(o)) {  // between the ends of the spaced table, not of the training range
      const double first = table.at(levels_.front().timestep);
      const double last = table.at(levels_.back().timestep);
      levels_.clear();
      for (double sigma : karras_sigmas(first, last, o.steps)) {
        push(sigma, float(table.timestep_of(sigma)));
      }
    }
    final_sigma_ = c.final_sigma_zero ? 0 : table.front();
    const double most = levels_.front().sigma;
    initial_scale_ = spacing == Spacing::kLeading ? std::sqrt(most * most + 1) : most;
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const bool is_last = size_t(i) + 1 == levels_.size();
    const double next = is_last ? final_sigma_ : levels_[size_t(i) + 1].sigma;
    return ops::lincomb(ctx, {{1.0, &x}, {next - levels_[size_t(i)].sigma, &estimate.eps}});
  }

 private:
  // The reference's table is f32.
  void push(double sigma, double timestep) {
    levels_.push_back({.alpha = 1, .sigma = float(sigma), .timestep = timestep});
  }

  double final_sigma_ = 0;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(euler, options);
  return std::make_unique<Euler>(options);
}

}  // namespace

const Scheduler euler = {
    .name = "euler",
    .summary = "first order along sigma, one network call per step",
    .paper = "Karras et al. 2022, arXiv:2206.00364, Algorithm 2 without churn",
    .diffusers_class = "EulerDiscreteScheduler",
    .order = 1,
    .karras = true,
    .default_spacing = Spacing::kLinspace,
    .make = make,
};

}  // namespace dedit::schedulers

#include "schedulers/heun_stepper.h"
#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler heun;

namespace {

class Heun : public Solver {
 public:
  explicit Heun(const SolverOptions& o) {
    const SigmaLevels table = sigma_levels(heun, o, SigmaTable{training_schedule(heun, o)});
    initial_scale_ = table.initial_scale;
    levels_ = heun_levels(table.levels);
    sigmas_ = heun_sigmas(levels_);
  }

  int calls_per_step() const override { return 2; }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const double sigma = levels_[size_t(i)].sigma;
    // From x0, which may have been clipped.
    const Tensor slope = ops::lincomb(ctx, {{1 / sigma, &x}, {-1 / sigma, &estimate.x0}});
    const size_t first = size_t(i) / 2 * 2;
    return stepper_.step(ctx, x, slope, sigmas_[first + 1] - sigmas_[first]);
  }

 private:
  HeunStepper stepper_;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(heun, options);
  return std::make_unique<Heun>(options);
}

}  // namespace

const Scheduler heun = {
    .name = "heun",
    .summary = "second order along sigma, two network calls per step",
    .paper = "Karras et al. 2022, arXiv:2206.00364, Algorithm 1",
    .diffusers_class = "HeunDiscreteScheduler",
    .aliases = "k_heun",
    .order = 2,
    .karras = true,
    .clips = true,
    .takes_timesteps = true,
    .takes_sigmas = true,
    .default_spacing = Spacing::kLinspace,
    .make = make,
};

}  // namespace dedit::schedulers

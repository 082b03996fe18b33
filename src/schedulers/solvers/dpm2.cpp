#include "schedulers/dpm2_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler dpm2;

namespace {

class Dpm2 : public Solver {
 public:
  explicit Dpm2(const SolverOptions& o) {
    Dpm2Table table = dpm2_table(dpm2, o, [](double, double to) { return to; });
    initial_scale_ = table.initial_scale;
    levels_ = table.levels;
    sigmas_ = table.sigmas;
    steps_ = table.steps;
  }

  int calls_per_step() const override { return 2; }

  // Between the calls the reference noises a source to the step's end already.
  NoiseLevel noising_level(int i) const override {
    NoiseLevel level = levels_[size_t(i)];
    level.sigma = steps_[size_t(i + 1) / 2];
    return level;
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const double sigma = steps_[size_t(i) / 2], next = steps_[size_t(i) / 2 + 1];
    if (i % 2 == 1) {  // the whole step, by the slope in its middle
      return ops::lincomb(ctx, {{1.0, &start_}, {next - sigma, &estimate.eps}});
    }
    start_ = x;
    const bool is_last = size_t(i) + 1 == levels_.size();
    const double middle = is_last ? 0 : levels_[size_t(i) + 1].sigma;
    return ops::lincomb(ctx, {{1.0, &x}, {middle - sigma, &estimate.eps}});
  }

 private:
  std::vector<double> steps_;
  Tensor start_;  // x where the step in progress began
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(dpm2, options);
  return std::make_unique<Dpm2>(options);
}

}  // namespace

const Scheduler dpm2 = {
    .name = "dpm2",
    .summary = "midpoint rule in log sigma, two network calls per step",
    .paper =
        "Karras et al. 2022, arXiv:2206.00364, Algorithm 2; Crowson, k-diffusion, sample_dpm_2",
    .diffusers_class = "KDPM2DiscreteScheduler",
    .aliases = "dpm_2 k_dpm_2 kdpm_2",
    .order = 2,
    .karras = true,
    .takes_timesteps = true,
    .takes_sigmas = true,
    .takes_sample = false,
    .default_spacing = Spacing::kLinspace,
    .make = make,
};

}  // namespace dedit::schedulers

#include "schedulers/ancestral.h"
#include "schedulers/dpm2_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler dpm2_a;

namespace {

class Dpm2Ancestral : public Solver {
 public:
  explicit Dpm2Ancestral(const SolverOptions& o) {
    Dpm2Table table =
        dpm2_table(dpm2_a, o, [](double from, double to) { return ancestral_step(from, to).down; });
    initial_scale_ = table.initial_scale;
    levels_ = table.levels;
    sigmas_ = table.sigmas;
    steps_ = table.steps;
  }

  int calls_per_step() const override { return 2; }
  bool draws_noise(int i) const override { return i % 2 == 1; }

  // Between the calls the reference noises a source to the step's end already.
  NoiseLevel noising_level(int i) const override {
    NoiseLevel level = levels_[size_t(i)];
    level.sigma = steps_[size_t(i + 1) / 2];
    return level;
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate,
              const Tensor* noise) override {
    const double sigma = steps_[size_t(i) / 2];
    if (noise) {  // the whole step, by the slope in its middle
      const AncestralStep to = ancestral_step(sigma, steps_[size_t(i) / 2 + 1]);
      return ops::lincomb(ctx, {{1.0, &start_}, {to.down - sigma, &estimate.eps}, {to.up, noise}});
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
  check_options(dpm2_a, options);
  return std::make_unique<Dpm2Ancestral>(options);
}

}  // namespace

const Scheduler dpm2_a = {
    .name = "dpm2_a",
    .summary = "dpm2 past the next sigma, then noise up to it, two network calls per step",
    .paper = "Katherine Crowson's k-diffusion, sample_dpm_2_ancestral",
    .diffusers_class = "KDPM2AncestralDiscreteScheduler",
    .aliases = "dpm_2_ancestral dpm2_ancestral k_dpm_2_a k_dpm_2_ancestral kdpm_2_a",
    .order = 2,
    .stochastic = true,
    .karras = true,
    .takes_timesteps = true,
    .takes_sigmas = true,
    .takes_sample = false,
    .default_spacing = Spacing::kLinspace,
    .make = make,
};

}  // namespace dedit::schedulers

#include <utility>

#include "schedulers/ancestral.h"
#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler euler_a;

namespace {

class EulerAncestral : public Solver {
 public:
  explicit EulerAncestral(const SolverOptions& o) {
    SigmaLevels table = sigma_levels(euler_a, o, SigmaTable{training_schedule(euler_a, o)});
    initial_scale_ = table.initial_scale;
    sigmas_ = table.sigmas();
    levels_ = std::move(table.levels);
  }

  bool draws_noise(int) const override { return true; }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate,
              const Tensor* noise) override {
    const double sigma = sigmas_[size_t(i)];
    const AncestralStep to = ancestral_step(sigma, sigmas_[size_t(i) + 1]);
    return ops::lincomb(ctx, {{1.0, &x}, {to.down - sigma, &estimate.eps}, {to.up, noise}});
  }
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(euler_a, options);
  return std::make_unique<EulerAncestral>(options);
}

}  // namespace

const Scheduler euler_a = {
    .name = "euler_a",
    .summary = "Euler past the next sigma, then noise up to it, one network call per step",
    .paper = "Katherine Crowson's k-diffusion, sample_euler_ancestral",
    .diffusers_class = "EulerAncestralDiscreteScheduler",
    .aliases = "euler_ancestral k_euler_a k_euler_ancestral",
    .order = 1,
    .stochastic = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .takes_sigmas = true,
    .takes_sample = false,
    .default_spacing = Spacing::kLinspace,
    .make = make,
};

}  // namespace dedit::schedulers

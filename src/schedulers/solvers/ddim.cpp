#include <algorithm>
#include <cmath>
#include <span>

#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler ddim;

namespace {

constexpr Param kParams[] = {
    {.name = "eta", .max = 1, .help = "share of fresh noise: 0 none, 1 as much as ddpm"},
};

class Ddim : public Solver {
 public:
  explicit Ddim(const SolverOptions& o) : eta_(parameter(ddim, o, "eta")) {
    const SchedulerConfig& c = o.config;
    const NoiseSchedule schedule = training_schedule(ddim, o);
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
      // Equation 16, in f32 as the reference.
      const float now_f = float(alpha_bar), next_f = float(next_alpha_bar);
      const float variance = (1 - next_f) / (1 - now_f) * (1 - now_f / next_f);
      noise_.push_back(eta_ * std::sqrt(variance));
      const double rest = 1 - next_alpha_bar - noise_.back() * noise_.back();
      targets_.push_back({std::sqrt(next_alpha_bar), std::sqrt(std::max(rest, 0.0)), double(next)});
    }
  }

  bool draws_noise(int) const override { return eta_ > 0; }

  Tensor step(Ctx& ctx, int i, const Tensor&, const Estimate& estimate,
              const Tensor* noise) override {
    const NoiseLevel& to = targets_[size_t(i)];
    const Term terms[] = {
        {to.alpha, &estimate.x0}, {to.sigma, &estimate.eps}, {noise_[size_t(i)], noise}};
    return ops::lincomb(ctx, std::span(terms, noise ? 3 : 2), estimate.x0.dtype());
  }

 private:
  double eta_;
  std::vector<NoiseLevel> targets_;  // where step i arrives, less the noise
  std::vector<double> noise_;        // deviation of step i's noise
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
    .aliases = "DDIMParallelScheduler",
    .order = 1,
    .clips = true,
    .thresholds = true,
    .rescales_snr = true,
    .default_spacing = Spacing::kLeading,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

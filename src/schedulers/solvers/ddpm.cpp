#include <algorithm>
#include <cmath>

#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler ddpm;

namespace {

constexpr std::string_view kVariances[] = {"fixed_small", "fixed_small_log", "fixed_large"};
constexpr Param kParams[] = {
    {.name = "variance_type",
     .kind = ParamKind::kChoice,
     .help = "of the noise of a step: the posterior's (small) or beta (large)",
     .choices = kVariances},
};

/// The posterior of the Markov chain over the picked timesteps, in f32 as the reference: between
/// neighbouring timesteps 1 - alpha is mostly rounding.
class Ddpm : public Solver {
 public:
  explicit Ddpm(const SolverOptions& o)
      : is_large_(kVariances[size_t(parameter(ddpm, o, "variance_type"))] == "fixed_large") {
    const NoiseSchedule schedule = training_schedule(ddpm, o);
    std::vector<double> timesteps = o.timesteps;
    if (timesteps.empty()) {
      timesteps = spaced_timesteps(resolve_spacing(ddpm, o), o.steps, schedule.size(),
                                   o.config.steps_offset, /*fractional=*/false);
    }
    for (double t : timesteps) {
      alpha_bars_.push_back(schedule.alpha_bar(int(t)));
      const double alpha_bar = alpha_bars_.back();
      levels_.push_back({std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar), t});
    }
    alpha_bars_.push_back(1);
  }

  bool draws_noise(int i) const override { return levels_[size_t(i)].timestep > 0; }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate,
              const Tensor* noise) override {
    const float now = alpha_bars_[size_t(i)], next = alpha_bars_[size_t(i) + 1];
    const float alpha = now / next;
    const float beta = 1 - alpha;
    const float variance = std::max((1 - next) / (1 - now) * beta, 1e-20f);
    const double on_x0 = std::sqrt(next) * beta / (1 - now);
    const double on_x = std::sqrt(alpha) * (1 - next) / (1 - now);
    if (!noise) return ops::lincomb(ctx, {{on_x, &x}, {on_x0, &estimate.x0}});
    const double deviation = std::sqrt(is_large_ ? beta : variance);
    return ops::lincomb(ctx, {{on_x, &x}, {on_x0, &estimate.x0}, {deviation, noise}});
  }

 private:
  std::vector<float> alpha_bars_;  // of the levels, and 1 behind the last
  bool is_large_;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(ddpm, options);
  return std::make_unique<Ddpm>(options);
}

}  // namespace

const Scheduler ddpm = {
    .name = "ddpm",
    .summary = "ancestral sampling of the trained chain, one network call and one draw per step",
    .paper = "Ho et al. 2020, arXiv:2006.11239, Algorithm 2",
    .diffusers_class = "DDPMScheduler",
    .aliases = "DDPMParallelScheduler",
    .order = 1,
    .stochastic = true,
    .clips = true,
    .thresholds = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .default_spacing = Spacing::kLeading,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

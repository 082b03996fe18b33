#include <cmath>

#include "schedulers/distilled.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler lcm;

namespace {

constexpr Param kParams[] = {
    kOriginalStepsParam,
    {.name = "timestep_scaling",
     .value = 10,
     .min = 0.001,
     .max = 1e6,
     .help = "of the boundary condition"},
};

class Lcm : public Solver {
 public:
  explicit Lcm(const SolverOptions& o) : scaling_(parameter(lcm, o, "timestep_scaling")) {
    const NoiseSchedule schedule = training_schedule(lcm, o);
    for (double t : distilled_timesteps(lcm, o)) {
      const double alpha_bar = schedule.alpha_bar(int(t));
      levels_.push_back({std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar), t});
    }
  }

  bool draws_noise(int i) const override { return size_t(i) + 1 < levels_.size(); }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate,
              const Tensor* noise) override {
    // The boundary condition: at timestep 0 the result is x. Section 3.1.
    constexpr double kData = 0.5;
    const double scaled = levels_[size_t(i)].timestep * scaling_;
    const double c2 = scaled * scaled + kData * kData;
    const double skip = kData * kData / c2, out = scaled / std::sqrt(c2);
    if (!noise) return ops::lincomb(ctx, {{skip, &x}, {out, &estimate.x0}});
    const NoiseLevel& to = levels_[size_t(i) + 1];
    return ops::lincomb(ctx,
                        {{to.alpha * skip, &x}, {to.alpha * out, &estimate.x0}, {to.sigma, noise}});
  }

 private:
  double scaling_;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(lcm, options);
  return std::make_unique<Lcm>(options);
}

}  // namespace

const Scheduler lcm = {
    .name = "lcm",
    .summary = "for consistency-distilled networks: to the estimate and back by fresh noise",
    .paper = "Luo et al. 2023, arXiv:2310.04378",
    .diffusers_class = "LCMScheduler",
    .order = 1,
    .stochastic = true,
    .clips = true,
    .thresholds = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

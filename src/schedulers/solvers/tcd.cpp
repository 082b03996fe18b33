#include <cmath>

#include "schedulers/distilled.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler tcd;

namespace {

constexpr Param kParams[] = {
    kOriginalStepsParam,
    {.name = "eta", .value = 0.3, .max = 1, .help = "share of fresh noise (the paper's gamma)"},
};

class Tcd : public Solver {
 public:
  explicit Tcd(const SolverOptions& o)
      : schedule_(training_schedule(tcd, o)), eta_(parameter(tcd, o, "eta")) {
    for (double t : distilled_timesteps(tcd, o)) {
      const double alpha_bar = schedule_.alpha_bar(int(t));
      levels_.push_back({std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar), t});
    }
  }

  bool draws_noise(int i) const override { return eta_ > 0 && size_t(i) + 1 < levels_.size(); }

  Tensor step(Ctx& ctx, int i, const Tensor&, const Estimate& estimate,
              const Tensor* noise) override {
    const bool is_last = size_t(i) + 1 == levels_.size();
    const int next = is_last ? 0 : int(levels_[size_t(i) + 1].timestep);
    // Past the next timestep, to s, by the estimate; back to it by noise.
    const int s = int(std::floor(float(1 - eta_) * float(next)));
    const float at_s = schedule_.alpha_bar(s);
    const double alpha = std::sqrt(at_s), sigma = std::sqrt(1 - at_s);
    if (!noise) return ops::lincomb(ctx, {{alpha, &estimate.x0}, {sigma, &estimate.eps}});
    const float share = schedule_.alpha_bar(next) / at_s;
    const double keep = std::sqrt(share), fresh = std::sqrt(1 - share);
    return ops::lincomb(
        ctx, {{keep * alpha, &estimate.x0}, {keep * sigma, &estimate.eps}, {fresh, noise}});
  }

 private:
  NoiseSchedule schedule_;
  double eta_;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(tcd, options);
  return std::make_unique<Tcd>(options);
}

}  // namespace

const Scheduler tcd = {
    .name = "tcd",
    .summary = "for trajectory-consistency-distilled networks, with a share of fresh noise",
    .paper = "Zheng et al. 2024, arXiv:2402.19159",
    .diffusers_class = "TCDScheduler",
    .order = 1,
    .stochastic = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

#include <cmath>
#include <utility>

#include "core/str.h"
#include "schedulers/sigma_table.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit::schedulers {

extern const Scheduler dpmpp_2m;

namespace {

/// Variance-preserving level of a sigma of the f32 table.
NoiseLevel level_of(double sigma, double timestep) {
  const double s = float(sigma);
  const double alpha = 1 / std::sqrt(s * s + 1);
  return {.alpha = alpha, .sigma = s * alpha, .timestep = timestep};
}

/// lambda of the paper: half the log signal-to-noise ratio.
double lambda_of(const NoiseLevel& level) {
  return std::log(level.alpha / level.sigma);
}

class Dpmpp2m : public Solver {
 public:
  explicit Dpmpp2m(const SolverOptions& o) {
    const SchedulerConfig& c = o.config;
    const SigmaTable table{NoiseSchedule(c)};
    if (wants_karras(o)) {
      for (double sigma : karras_sigmas(table.back(), table.front(), o.steps)) {
        levels_.push_back(level_of(sigma, std::nearbyint(table.timestep_of(sigma))));
      }
    } else {
      for (double t : timesteps(o)) levels_.push_back(level_of(table.at(t), t));
    }
    final_ = level_of(c.final_sigma_zero ? 0 : table.front(), 0);
    check_descending();
    is_last_first_order_ = c.final_sigma_zero || (c.lower_order_final && o.steps < 15);
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const NoiseLevel& from = levels_[size_t(i)];
    const bool is_last = size_t(i) + 1 == levels_.size();
    const NoiseLevel& to = is_last ? final_ : levels_[size_t(i) + 1];
    const Tensor x0 = estimate.x0;
    const Tensor before = std::exchange(previous_x0_, x0);
    const double keep = to.sigma / from.sigma;
    // e^-h with h = lambda_to - lambda_from; h is infinite when the target is clean.
    const double shrink = keep * from.alpha / to.alpha;
    const double pull = to.alpha * (1 - shrink);
    if (!before || (is_last && is_last_first_order_)) {
      return ops::lincomb(ctx, {{keep, &x}, {pull, &x0}});
    }
    const double h = -std::log(shrink);
    const double r = (lambda_of(from) - lambda_of(levels_[size_t(i) - 1])) / h;
    const double extra = pull / (2 * r);  // extrapolates x0 to the middle of the step
    return ops::lincomb(ctx, {{keep, &x}, {pull + extra, &x0}, {-extra, &before}});
  }

 private:
  /// This family spreads N + 1 points and drops the last (its trailing rule needs no such point).
  static std::vector<double> timesteps(const SolverOptions& o) {
    const Spacing spacing = resolve_spacing(dpmpp_2m, o);
    const bool is_trailing = spacing == Spacing::kTrailing;
    std::vector<double> t =
        spaced_timesteps(spacing, is_trailing ? o.steps : o.steps + 1, o.config.num_train_timesteps,
                         o.config.steps_offset, /*fractional=*/false);
    if (!is_trailing) t.pop_back();
    return t;
  }

  /// A level that occurs twice has no step size.
  void check_descending() const {
    for (size_t i = 1; i < levels_.size(); ++i) {
      if (levels_[i].sigma < levels_[i - 1].sigma) continue;
      throw Error(ErrorKind::kUsage,
                  str("dpmpp_2m: ", levels_.size(), " steps repeat timestep ", levels_[i].timestep),
                  "use fewer steps");
    }
  }

  NoiseLevel final_;
  bool is_last_first_order_ = true;
  Tensor previous_x0_;  // estimate of the step before; none at the start
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(dpmpp_2m, options);
  return std::make_unique<Dpmpp2m>(options);
}

}  // namespace

const Scheduler dpmpp_2m = {
    .name = "dpmpp_2m",
    .summary = "DPM-Solver++(2M): second-order multistep, one network call per step",
    .paper = "Lu et al. 2022, arXiv:2211.01095, Algorithm 2",
    .diffusers_class = "DPMSolverMultistepScheduler",
    .order = 2,
    .karras = true,
    .default_spacing = Spacing::kLinspace,
    .make = make,
};

}  // namespace dedit::schedulers

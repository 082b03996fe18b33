#include <utility>

#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler euler;

namespace {

/// x = x0 + sigma * noise, dx/dsigma = eps.
class Euler : public Solver {
 public:
  explicit Euler(const SolverOptions& o) {
    const SigmaTable table{NoiseSchedule(o.config)};
    SigmaLevels table_levels = sigma_levels(euler, o, table);
    levels_ = std::move(table_levels.levels);
    initial_scale_ = table_levels.initial_scale;
    final_sigma_ = o.config.final_sigma_zero ? 0 : table.front();
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const bool is_last = size_t(i) + 1 == levels_.size();
    const double next = is_last ? final_sigma_ : levels_[size_t(i) + 1].sigma;
    return ops::lincomb(ctx, {{1.0, &x}, {next - levels_[size_t(i)].sigma, &estimate.eps}});
  }

 private:
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

#include <utility>

#include "schedulers/flow_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler flow_match_euler;

namespace {

constexpr Param kParams[] = {
    kFlowParams[0],
    {.name = "stochastic_sampling",
     .kind = ParamKind::kFlag,
     .max = 1,
     .help = "every step ends in fresh noise"},
    {.name = "invert_sigmas",
     .kind = ParamKind::kFlag,
     .max = 1,
     .help = "for networks that count from noise to clean"},
};

class FlowMatchEuler : public Solver {
 public:
  explicit FlowMatchEuler(const SolverOptions& o)
      : draws_(parameter(flow_match_euler, o, "stochastic_sampling") != 0) {
    levels_ = flow_levels(flow_match_euler, o);
    const bool is_inverted = parameter(flow_match_euler, o, "invert_sigmas") != 0;
    const auto train = float(o.config.num_train_timesteps);
    for (NoiseLevel& level : levels_) {
      if (is_inverted) {
        std::swap(level.alpha, level.sigma);
        level.timestep = float(level.sigma) * train;
      }
      sigmas_.push_back(level.sigma);
    }
    sigmas_.push_back(is_inverted ? 1 : 0);
    is_flow_ = true;
  }

  bool draws_noise(int) const override { return draws_; }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate,
              const Tensor* noise) override {
    const double next = sigmas_[size_t(i) + 1];
    if (noise) return ops::lincomb(ctx, {{1 - next, &estimate.x0}, {next, noise}});
    const double change = next - sigmas_[size_t(i)];
    return ops::lincomb(ctx, {{1.0, &x}, {change, &estimate.eps}, {-change, &estimate.x0}});
  }

 private:
  bool draws_;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(flow_match_euler, options);
  return std::make_unique<FlowMatchEuler>(options);
}

}  // namespace

const Scheduler flow_match_euler = {
    .name = "flow_match_euler",
    .summary = "first order along a flow, one network call per step",
    .paper = "Lipman et al. 2022, arXiv:2210.02747; Esser et al. 2024, arXiv:2403.03206",
    .diffusers_class = "FlowMatchEulerDiscreteScheduler",
    .aliases = "flow_euler",
    .order = 1,
    .karras = true,
    .takes_timesteps = true,
    .takes_sigmas = true,
    .needs_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

#include "schedulers/flow_levels.h"
#include "schedulers/heun_stepper.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler flow_match_heun;

namespace {

class FlowMatchHeun : public Solver {
 public:
  explicit FlowMatchHeun(const SolverOptions& o) {
    levels_ = heun_levels(flow_levels(flow_match_heun, o));
    sigmas_ = heun_sigmas(levels_);
    is_flow_ = true;
  }

  int calls_per_step() const override { return 2; }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const Tensor slope = ops::lincomb(ctx, {{1.0, &estimate.eps}, {-1.0, &estimate.x0}});
    const size_t first = size_t(i) / 2 * 2;
    return stepper_.step(ctx, x, slope, sigmas_[first + 1] - sigmas_[first]);
  }

 private:
  HeunStepper stepper_;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(flow_match_heun, options);
  return std::make_unique<FlowMatchHeun>(options);
}

}  // namespace

const Scheduler flow_match_heun = {
    .name = "flow_match_heun",
    .summary = "second order along a flow, two network calls per step",
    .paper = "Esser et al. 2024, arXiv:2403.03206; Karras et al. 2022, Algorithm 1",
    .diffusers_class = "FlowMatchHeunDiscreteScheduler",
    .aliases = "flow_heun",
    .order = 2,
    .needs_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kFlowParams,
    .make = make,
};

}  // namespace dedit::schedulers

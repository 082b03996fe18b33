#include <algorithm>

#include "schedulers/dpm_weights.h"
#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler dpm_singlestep;

namespace {

constexpr Param kParams[] = {
    {.name = "algorithm_type",
     .kind = ParamKind::kChoice,
     .max = 2,
     .help = "what is extrapolated, and whether noise is added",
     .choices = std::span(kDpmAlgorithms).first<3>()},
    {.name = "solver_type",
     .kind = ParamKind::kChoice,
     .help = "weight of the second-order term",
     .choices = kDpmTypes},
    {.name = "solver_order",
     .kind = ParamKind::kInt,
     .value = 2,
     .min = 1,
     .max = 3,
     .help = "order of the method: calls per block"},
};

/// Blocks of one, two or three calls. Each call of a block steps from the block's start, with one
/// more output; the next block begins where the last call of it arrives.
class DpmSinglestep : public Solver {
 public:
  explicit DpmSinglestep(const SolverOptions& given) : config_(given.config) {
    SolverOptions o = given;
    o.spacing = Spacing::kLinspace;  // the reference's class knows no other
    rule_.algorithm = DpmAlgorithm(int(parameter(dpm_singlestep, o, "algorithm_type")));
    rule_.type = DpmType(int(parameter(dpm_singlestep, o, "solver_type")));
    if (!rule_.predicts_x0()) end_with_noise(o);
    LambdaLevels table = lambda_levels(dpm_singlestep, o, FinalSigma::kConfigs);
    sigmas_ = table.sigmas;
    is_flow_ = table.is_flow;
    all_levels_ = table.levels;
    levels_.assign(all_levels_.begin(), all_levels_.end() - 1);
    plan_orders(o, int(parameter(dpm_singlestep, o, "solver_order")));
  }

  bool draws_noise(int) const override { return rule_.draws(); }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate,
              const Tensor* noise) override {
    outputs_.insert(outputs_.begin(),
                    dpm_output(ctx, rule_, config_, levels_[size_t(i)], x, estimate));
    if (outputs_.size() > 3) outputs_.pop_back();
    // A run begun inside a block has too few outputs for it.
    const int order = std::min(orders_[size_t(i)], int(outputs_.size()));
    if (order == 1) start_ = x;
    const int first = i + 1 - order;
    const DpmWeights w = dpm_weights(rule_, all_levels_[size_t(first)], all_levels_[size_t(i) + 1],
                                     order == 3 ? 3 : order);
    std::vector<Term> terms = {{w.keep, &start_}};
    add_outputs(w, first, order, i + 1, terms);
    if (noise) terms.push_back({w.noise, noise});
    return ops::lincomb(ctx, terms, x.dtype());
  }

 private:
  void plan_orders(const SolverOptions& o, int order) {
    const int n = int(levels_.size());
    const bool lowers = lower_order_final(o, false) || n % order != 0 || o.config.final_sigma_zero;
    for (int i = 0; i < n; ++i) orders_.push_back(i % order + 1);
    if (lowers) {
      if (order == 3 && n % 3 == 0) orders_[size_t(n) - 1] = 1;
      if (order == 2 && n % 2 == 0) orders_[size_t(n) - 1] = 1;
    }
    if (o.config.final_sigma_zero) orders_.back() = 1;
  }

  /// The terms of D0, D1 and D2: divided differences over lambda from the block's start.
  void add_outputs(const DpmWeights& w, int first, int order, int target,
                   std::vector<Term>& terms) const {
    const auto place = [&](int k) {  // of the block's k-th output, in steps
      const double start = lambda_of(all_levels_[size_t(first)]);
      return (lambda_of(all_levels_[size_t(first + k)]) - start) /
             (lambda_of(all_levels_[size_t(target)]) - start);
    };
    double on_second = 0, on_third = 0;  // of the differences to the first output
    if (order == 2) on_second = w.d1 / place(1);
    if (order == 3 && rule_.type == DpmType::kMidpoint) on_third = w.d1 / place(2);
    if (order == 3 && rule_.type == DpmType::kHeun) {
      const double r1 = place(1), r0 = place(2);
      on_second = (r0 * w.d1 - 2 * w.d2) / (r0 - r1) / r1;
      on_third = (2 * w.d2 - r1 * w.d1) / (r0 - r1) / r0;
    }
    const double weights[] = {w.d0 - on_second - on_third, on_second, on_third};
    for (int k = 0; k < order; ++k) {
      terms.push_back({weights[k], &outputs_[size_t(order - 1 - k)]});
    }
  }

  DpmRule rule_;
  SchedulerConfig config_;
  std::vector<NoiseLevel> all_levels_;  // the final one included
  std::vector<int> orders_;             // of each call within its block

  // State of the run.
  Tensor start_;                 // x where the block in progress began
  std::vector<Tensor> outputs_;  // newest first
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(dpm_singlestep, options);
  return std::make_unique<DpmSinglestep>(options);
}

}  // namespace

const Scheduler dpm_singlestep = {
    .name = "dpm_singlestep",
    .summary = "DPM-Solver++(2S) and its variants: blocks of order 1 to 3, one call per step",
    .paper = "Lu et al. 2022, arXiv:2211.01095, Algorithm 1; arXiv:2206.00927",
    .diffusers_class = "DPMSolverSinglestepScheduler",
    .aliases = "dpm++_2s dpmpp_2s",
    .order = 2,
    .karras = true,
    .thresholds = true,
    .takes_timesteps = true,
    .clips_lambda = true,
    .takes_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

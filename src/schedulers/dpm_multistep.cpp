#include "schedulers/dpm_multistep.h"

#include <algorithm>

#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit {

namespace {

class DpmMultistep : public Solver {
 public:
  DpmMultistep(const Scheduler& scheduler, const SolverOptions& given, DpmAlgorithm algorithm,
               int order)
      : config_(given.config), order_(order) {
    SolverOptions o = given;
    rule_.algorithm = algorithm;
    rule_.type = DpmType(int(parameter(scheduler, o, "solver_type")));
    if (!rule_.predicts_x0()) end_with_noise(o);
    LambdaLevels table = lambda_levels(scheduler, o, FinalSigma::kConfigs);
    levels_ = table.levels;
    sigmas_ = table.sigmas;
    is_flow_ = table.is_flow;
    final_ = levels_.back();
    levels_.pop_back();
    lowers_order_ = lower_order_final(o, true) && levels_.size() < 15;
    ends_first_order_ = lowers_order_ || o.config.final_sigma_zero ||
                        parameter(scheduler, o, "euler_at_final") != 0;
  }

  bool draws_noise(int) const override { return rule_.draws(); }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate,
              const Tensor* noise) override {
    outputs_.insert(outputs_.begin(), dpm_output(ctx, rule_, config_, level(i), x, estimate));
    if (int(outputs_.size()) > order_) outputs_.pop_back();
    const int left = int(levels_.size()) - i;
    int order = int(outputs_.size());
    if (left == 1 && ends_first_order_) order = 1;
    if (left == 2 && lowers_order_) order = std::min(order, 2);
    const DpmWeights w = dpm_weights(rule_, level(i), level(i + 1), order);
    std::vector<Term> terms = {{w.keep, &x}};
    add_outputs(w, i, order, terms);
    if (noise) terms.push_back({w.noise, noise});
    return ops::lincomb(ctx, terms, x.dtype());
  }

 private:
  const NoiseLevel& level(int i) const {
    return size_t(i) < levels_.size() ? levels_[size_t(i)] : final_;
  }

  /// The terms of D0, D1 and D2, which are divided differences of the last outputs over lambda.
  void add_outputs(const DpmWeights& w, int i, int order, std::vector<Term>& terms) const {
    double m0 = w.d0, m1 = 0, m2 = 0;
    if (order >= 2) {
      const double h = lambda_of(level(i + 1)) - lambda_of(level(i));
      const double r0 = (lambda_of(level(i)) - lambda_of(level(i - 1))) / h;
      double on_recent = w.d1, on_older = 0;  // of (m0 - m1) / r0 and (m1 - m2) / r1
      if (order == 3) {
        const double r1 = (lambda_of(level(i - 1)) - lambda_of(level(i - 2))) / h;
        on_recent += (w.d1 * r0 + w.d2) / (r0 + r1);
        on_older = -(w.d1 * r0 + w.d2) / (r0 + r1) / r1;
      }
      on_recent /= r0;
      m0 += on_recent;
      m1 = on_older - on_recent;
      m2 = -on_older;
    }
    const double weights[] = {m0, m1, m2};
    for (int k = 0; k < order; ++k) terms.push_back({weights[k], &outputs_[size_t(k)]});
  }

  DpmRule rule_;
  SchedulerConfig config_;
  int order_;
  NoiseLevel final_;
  bool lowers_order_ = true, ends_first_order_ = true;
  std::vector<Tensor> outputs_;  // newest first
};

}  // namespace

std::unique_ptr<Solver> make_dpm_multistep(const Scheduler& scheduler, const SolverOptions& options,
                                           DpmAlgorithm algorithm, int order) {
  check_options(scheduler, options);
  if (algorithm == DpmAlgorithm::kSde && order == 3) {
    throw Error(ErrorKind::kUsage, "sde-dpmsolver has no third order", "use solver_order 2");
  }
  return std::make_unique<DpmMultistep>(scheduler, options, algorithm, order);
}

}  // namespace dedit

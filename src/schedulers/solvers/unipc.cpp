#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string>

#include <Eigen/Dense>

#include "schedulers/flow_levels.h"
#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit::schedulers {

extern const Scheduler unipc;

namespace {

constexpr std::string_view kTypes[] = {"bh2", "bh1"};
constexpr Param kParams[] = {
    {.name = "solver_order",
     .kind = ParamKind::kInt,
     .value = 2,
     .min = 1,
     .max = 4,
     .help = "order of the predictor; the corrector adds one"},
    {.name = "solver_type",
     .kind = ParamKind::kChoice,
     .help = "B(h) of the paper",
     .choices = kTypes},
    {.name = "predict_x0",
     .kind = ParamKind::kFlag,
     .value = 1,
     .max = 1,
     .help = "extrapolate the data, not the noise"},
};

/// Predictor UniP and corrector UniC of one order; names follow the paper. A call's output first
/// corrects the step before.
class UniPc : public Solver {
 public:
  explicit UniPc(const SolverOptions& o)
      : order_(int(parameter(unipc, o, "solver_order"))),
        is_bh1_(parameter(unipc, o, "solver_type") != 0),
        predicts_x0_(parameter(unipc, o, "predict_x0") != 0),
        lowers_order_(lower_order_final(o, true)) {
    LambdaLevels table = lambda_levels(unipc, o, FinalSigma::kConfigsOrLast);
    all_levels_ = table.levels;
    sigmas_ = table.sigmas;
    is_flow_ = table.is_flow;
    levels_.assign(all_levels_.begin(), all_levels_.end() - 1);
    const auto listed = o.config.settings.find("disable_corrector");
    if (listed != o.config.settings.end()) read_list(listed->second);
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const Tensor output = predicts_x0_ ? estimate.x0 : estimate.eps;
    Tensor corrected = x;
    if (last_x_ && !uncorrected_.contains(i - 1)) {
      corrected = update(ctx, i - 1, last_x_, last_order_, &output);
    }
    outputs_.insert(outputs_.begin(), output);
    if (int(outputs_.size()) > order_) outputs_.pop_back();
    const int left = int(levels_.size()) - i;
    last_order_ =
        std::min<int>(lowers_order_ ? std::min(order_, left) : order_, int(outputs_.size()));
    last_x_ = corrected;
    return update(ctx, i, corrected, last_order_, nullptr);
  }

 private:
  /// Steps left uncorrected, "[0,1]".
  void read_list(const std::string& text) {
    int step = 0;
    for (const char* at = text.data(); at < text.data() + text.size(); ++at) {
      const auto [end, error] = std::from_chars(at, text.data() + text.size(), step);
      if (error != std::errc()) continue;
      uncorrected_.insert(step);
      at = end - 1;
    }
  }

  /// x at level i to level i + 1, from the outputs at level i and before; with that at level i + 1
  /// too, where it is known.
  Tensor update(Ctx& ctx, int i, const Tensor& x, int order, const Tensor* next_output) const {
    const NoiseLevel &s = all_levels_[size_t(i)], &t = all_levels_[size_t(i) + 1];
    const double h = lambda_of(t) - lambda_of(s);
    const double hh = predicts_x0_ ? -h : h;
    const double base = predicts_x0_ ? t.alpha : t.sigma;
    const double keep = predicts_x0_ ? t.sigma / s.sigma : t.alpha / s.alpha;
    const double b_h = is_bh1_ ? hh : std::expm1(hh);
    std::vector<double> r;  // places of the outputs before, in steps
    for (int k = 1; k < order; ++k) {
      r.push_back((lambda_of(all_levels_[size_t(i - k)]) - lambda_of(s)) / h);
    }
    if (next_output) r.push_back(1);
    const Eigen::VectorXd rho = weights(r, hh, b_h);
    // Every weight is of an output's difference to the one at s.
    double on_first = -base * std::expm1(hh);
    std::vector<Term> terms = {{keep, &x}, {0.0, &outputs_[0]}};
    for (size_t k = 0; k < r.size(); ++k) {
      const double w = -base * b_h * rho[Eigen::Index(k)] / r[k];
      on_first -= w;
      terms.push_back({w, next_output && k + 1 == r.size() ? next_output : &outputs_[k + 1]});
    }
    terms[1].a = on_first;
    return ops::lincomb(ctx, terms, x.dtype());
  }

  /// Solves R rho = b; where one weight is enough the paper's fixed 1/2.
  static Eigen::VectorXd weights(const std::vector<double>& r, double hh, double b_h) {
    const auto n = Eigen::Index(r.size());
    if (n == 0) return {};
    if (n == 1) return Eigen::VectorXd::Constant(1, 0.5);
    Eigen::MatrixXd matrix(n, n);
    Eigen::VectorXd b(n);
    double phi = std::expm1(hh) / hh - 1, factorial = 1;
    for (Eigen::Index row = 0; row < n; ++row) {
      for (Eigen::Index k = 0; k < n; ++k) {
        matrix(row, k) = std::pow(r[size_t(k)], double(row));
      }
      b[row] = phi * factorial / b_h;
      factorial *= double(row) + 2;
      phi = phi / hh - 1 / factorial;
    }
    return matrix.partialPivLu().solve(b);
  }

  int order_;
  bool is_bh1_, predicts_x0_, lowers_order_;
  std::set<int> uncorrected_;
  std::vector<NoiseLevel> all_levels_;  // the final one included

  // State of the run.
  std::vector<Tensor> outputs_;  // newest first
  Tensor last_x_;                // corrected, at the level before
  int last_order_ = 1;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(unipc, options);
  require_mu(unipc, options.config);
  const bool is_flow = options.config.prediction == Prediction::kFlow;
  if (is_flow && parameter(unipc, options, "predict_x0") == 0) {
    throw Error(ErrorKind::kUsage, "scheduler unipc predicts the flow with predict_x0 only",
                "set predict_x0 to true");
  }
  return std::make_unique<UniPc>(options);
}

}  // namespace

const Scheduler unipc = {
    .name = "unipc",
    .summary = "predictor and corrector of any order, one network call per step",
    .paper = "Zhao et al. 2023, arXiv:2302.04867",
    .diffusers_class = "UniPCMultistepScheduler",
    .aliases = "uni_pc",
    .order = 3,
    .karras = true,
    .thresholds = true,
    .rescales_snr = true,
    .takes_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

#include <algorithm>
#include <cmath>

#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit::schedulers {

extern const Scheduler sa_solver;

namespace {

constexpr std::string_view kAlgorithms[] = {"data_prediction", "noise_prediction"};
constexpr Param kParams[] = {
    {.name = "predictor_order",
     .kind = ParamKind::kInt,
     .value = 2,
     .min = 1,
     .max = 4,
     .help = "outputs that the predictor extrapolates"},
    {.name = "corrector_order",
     .kind = ParamKind::kInt,
     .value = 2,
     .min = 1,
     .max = 4,
     .help = "outputs that the corrector interpolates"},
    {.name = "algorithm_type",
     .kind = ParamKind::kChoice,
     .help = "what is extrapolated",
     .choices = kAlgorithms},
};

/// Integral of u^power e^u from a to b, over e^b.
double moment(int power, double a, double b) {
  const double shrink = std::exp(a - b);
  if (power == 0) return 1 - shrink;
  return std::pow(b, power) - std::pow(a, power) * shrink - power * moment(power - 1, a, b);
}

/// Stochastic Adams: predictor (Bashforth) and corrector (Moulton) over lambda, with as much noise
/// as tau(t); the reference's tau is 1 between timesteps 200 and 800, else 0.
class SaSolver : public Solver {
 public:
  explicit SaSolver(const SolverOptions& o)
      : predictor_order_(int(parameter(sa_solver, o, "predictor_order"))),
        corrector_order_(int(parameter(sa_solver, o, "corrector_order"))),
        predicts_x0_(parameter(sa_solver, o, "algorithm_type") == 0),
        lowers_order_(lower_order_final(o, true)),
        schedule_(training_schedule(sa_solver, o)) {
    LambdaLevels table = lambda_levels(sa_solver, o, FinalSigma::kLast);
    sigmas_ = table.sigmas;
    is_flow_ = table.is_flow;
    all_levels_ = table.levels;
    levels_.assign(all_levels_.begin(), all_levels_.end() - 1);
  }

  bool draws_noise(int) const override { return true; }

  // As the reference: by the timestep, which is rounded, not by the sigma.
  NoiseLevel noising_level(int i) const override {
    if (is_flow_) return levels_[size_t(i)];
    const double t = levels_[size_t(i)].timestep;
    const double alpha_bar = schedule_.alpha_bar(int(t));
    return {std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar), t};
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate,
              const Tensor* noise) override {
    const Tensor output = predicts_x0_ ? estimate.x0 : estimate.eps;
    const size_t kept = size_t(std::max(predictor_order_, corrector_order_ - 1));
    outputs_.insert(outputs_.begin(), output);
    Tensor corrected = x;
    if (last_x_) {
      corrected = update(ctx, i - 1, i, last_x_, last_corrector_order_, last_noise_);
    }
    if (outputs_.size() > kept) outputs_.pop_back();
    const int left = int(levels_.size()) - i, known = int(outputs_.size());
    const int predictor = lowers_order_ ? std::min(predictor_order_, left) : predictor_order_;
    const int corrector = lowers_order_ ? std::min(corrector_order_, left + 1) : corrector_order_;
    last_corrector_order_ = std::min(corrector, known + 1);
    last_x_ = corrected;
    last_noise_ = *noise;
    return update(ctx, i, i, corrected, std::min(predictor, known), *noise);
  }

 private:
  /// x at level i to level i + 1, from `order` outputs, of which the newest is at level `newest`.
  Tensor update(Ctx& ctx, int i, int newest, const Tensor& x, int order,
                const Tensor& noise) const {
    const NoiseLevel &s = all_levels_[size_t(i)], &t = all_levels_[size_t(i) + 1];
    const double timestep = levels_[size_t(i)].timestep;
    const double tau = timestep >= 200 && timestep <= 800 ? 1 : 0;
    const double h = lambda_of(t) - lambda_of(s);
    const double keep =
        predicts_x0_ ? std::exp(-tau * tau * h) * t.sigma / s.sigma : t.alpha / s.alpha;
    const double fresh = predicts_x0_ ? t.sigma * std::sqrt(-std::expm1(-2 * tau * tau * h))
                                      : tau * t.sigma * std::sqrt(std::expm1(2 * h));
    std::vector<double> weights;
    for (int k = 0; k < order; ++k) weights.push_back(weight(i, newest, order, k, tau));
    if (predicts_x0_ && order == 2) second_order_rule(i, newest, tau, weights);
    std::vector<Term> terms = {{keep, &x}, {fresh, &noise}};
    for (int k = 0; k < order; ++k) terms.push_back({weights[size_t(k)], &outputs_[size_t(k)]});
    return ops::lincomb(ctx, terms, x.dtype());
  }

  double lambda(int i) const { return lambda_of(all_levels_[size_t(i)]); }

  /// Integral over step i of the Lagrange polynomial that is 1 at level newest - k, 0 at the other
  /// levels, times what remains of it at the step's end.
  double weight(int i, int newest, int order, int k, double tau) const {
    // In u = c (lambda - lambda_{i+1}), so that exponentials stay below 1.
    const double c = predicts_x0_ ? 1 + tau * tau : -1, origin = lambda(i + 1);
    std::vector<double> p = {1};  // ascending powers of u
    const double own = lambda(newest - k) - origin;
    for (int m = 0; m < order; ++m) {
      if (m == k) continue;
      const double other = lambda(newest - m) - origin;
      std::vector<double> q(p.size() + 1);
      for (size_t n = 0; n < p.size(); ++n) {
        q[n] -= other * p[n] / (own - other);
        q[n + 1] += p[n] / c / (own - other);
      }
      p = q;
    }
    const double from = c * (lambda(i) - origin);
    double sum = 0;
    for (size_t n = 0; n < p.size(); ++n) sum += p[n] * moment(int(n), from, 0);
    const NoiseLevel& t = all_levels_[size_t(i) + 1];
    return predicts_x0_ ? t.alpha * sum : (1 + tau * tau) * t.sigma * sum;
  }

  /// The reference's second order: the first two moments, with the second one's weight as the
  /// midpoint rule has it.
  void second_order_rule(int i, int newest, double tau, std::vector<double>& weights) const {
    const double c = 1 + tau * tau, h = lambda(i + 1) - lambda(i);
    const double excess = (h * c + std::expm1(-c * h)) / (c * c);
    const double change =
        newest == i ? (h * h / 2 - excess) / (lambda(i) - lambda(i - 1)) : h / 2 - excess / h;
    const double weight = c * all_levels_[size_t(i) + 1].alpha * change;
    weights[0] += weight;
    weights[1] -= weight;
  }

  int predictor_order_, corrector_order_;
  bool predicts_x0_, lowers_order_;
  NoiseSchedule schedule_;
  std::vector<NoiseLevel> all_levels_;  // the final one included

  // State of the run.
  std::vector<Tensor> outputs_;  // newest first
  Tensor last_x_, last_noise_;   // corrected, at the level before, and its step's draw
  int last_corrector_order_ = 1;
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(sa_solver, options);
  const bool is_flow = options.config.prediction == Prediction::kFlow;
  if (is_flow && parameter(sa_solver, options, "algorithm_type") != 0) {
    throw Error(ErrorKind::kUsage,
                "scheduler sa_solver predicts the flow with data_prediction only",
                "set algorithm_type to data_prediction");
  }
  return std::make_unique<SaSolver>(options);
}

}  // namespace

const Scheduler sa_solver = {
    .name = "sa_solver",
    .summary = "stochastic Adams, predictor and corrector, one network call per step",
    .paper = "Xue et al. 2023, arXiv:2309.05019",
    .diffusers_class = "SASolverScheduler",
    .order = 2,
    .stochastic = true,
    .karras = true,
    .thresholds = true,
    .clips_lambda = true,
    .takes_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

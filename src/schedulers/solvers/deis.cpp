#include <algorithm>
#include <array>
#include <cmath>

#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler deis;

namespace {

constexpr Param kParams[] = {
    {.name = "solver_order",
     .kind = ParamKind::kInt,
     .value = 2,
     .min = 1,
     .max = 3,
     .help = "order of the method"},
};

/// Exponential integrator with the noise a polynomial in log rho, rho = sigma / alpha: over a step
/// x / alpha changes by the integral of the noise over rho.
class Deis : public Solver {
 public:
  explicit Deis(const SolverOptions& o) : order_(int(parameter(deis, o, "solver_order"))) {
    LambdaLevels table = lambda_levels(deis, o, FinalSigma::kLast);
    sigmas_ = table.sigmas;
    is_flow_ = table.is_flow;
    for (const NoiseLevel& level : table.levels) log_rho_.push_back(-lambda_of(level));
    final_alpha_ = table.levels.back().alpha;
    levels_.assign(table.levels.begin(), table.levels.end() - 1);
    lowers_order_ = lower_order_final(o, true) && levels_.size() < 15;
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const NoiseLevel& s = levels_[size_t(i)];
    // From x0, which may have been limited.
    outputs_.insert(outputs_.begin(),
                    ops::lincomb(ctx, {{1 / s.sigma, &x}, {-s.alpha / s.sigma, &estimate.x0}}));
    if (int(outputs_.size()) > order_) outputs_.pop_back();
    const int left = int(levels_.size()) - i;
    int order = int(outputs_.size());
    if (lowers_order_) order = std::min(order, left);
    const double alpha = left == 1 ? final_alpha_ : levels_[size_t(i) + 1].alpha;
    std::vector<Term> terms = {{alpha / s.alpha, &x}};
    for (int k = 0; k < order; ++k) {
      terms.push_back({alpha * weight(i, order, k), &outputs_[size_t(k)]});
    }
    return ops::lincomb(ctx, terms, x.dtype());
  }

 private:
  /// Integral over rho of the Lagrange polynomial in log rho that is 1 at level i - k and 0 at the
  /// other `order` - 1 levels up to i.
  double weight(int i, int order, int k) const {
    std::array<double, 3> p = {1, 0, 0};  // coefficients in u = log rho - log rho_i
    const auto at = [&](int m) { return log_rho_[size_t(i - m)] - log_rho_[size_t(i)]; };
    for (int m = 0; m < order; ++m) {
      if (m == k) continue;
      const double scale = 1 / (at(k) - at(m));
      p = {-at(m) * p[0] * scale, (p[0] - at(m) * p[1]) * scale, (p[1] - at(m) * p[2]) * scale};
    }
    // Of e^u, u e^u and u^2 e^u, from 0.
    const double u = log_rho_[size_t(i) + 1] - log_rho_[size_t(i)];
    const double e = std::exp(u);
    const double integrals[] = {std::expm1(u), u * e - std::expm1(u),
                                u * u * e - 2 * (u * e - std::expm1(u))};
    const double sum = p[0] * integrals[0] + p[1] * integrals[1] + p[2] * integrals[2];
    return std::exp(log_rho_[size_t(i)]) * sum;
  }

  int order_;
  bool lowers_order_ = true;
  double final_alpha_ = 1;       // alpha after the last step
  std::vector<double> log_rho_;  // of every level and of the final one
  std::vector<Tensor> outputs_;  // noise estimates, newest first
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(deis, options);
  return std::make_unique<Deis>(options);
}

}  // namespace

const Scheduler deis = {
    .name = "deis",
    .summary = "exponential integrator, multistep in log rho, one network call per step",
    .paper = "Zhang and Chen 2022, arXiv:2204.13902",
    .diffusers_class = "DEISMultistepScheduler",
    .order = 2,
    .karras = true,
    .thresholds = true,
    .takes_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

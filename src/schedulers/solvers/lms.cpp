#include <algorithm>
#include <cmath>
#include <utility>

#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler lms;

namespace {

constexpr int kMaxOrder = 4;

/// Adams-Bashforth along sigma on an uneven grid: dx/dsigma = eps, with eps the polynomial through
/// the last calls.
class Lms : public Solver {
 public:
  explicit Lms(const SolverOptions& o) {
    const SigmaTable table{training_schedule(lms, o)};
    SigmaLevels table_levels = sigma_levels(lms, o, table);
    initial_scale_ = table_levels.initial_scale;
    sigmas_ = table_levels.sigmas();
    levels_ = std::move(table_levels.levels);
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    eps_.insert(eps_.begin(), estimate.eps);
    if (eps_.size() > kMaxOrder) eps_.pop_back();
    // As the reference: the order follows the table's index, also when the run began inside the
    // table and fewer calls are known; the weights of the missing ones are then lost.
    const int order = std::min(i + 1, kMaxOrder);
    std::vector<Term> terms = {{1.0, &x}};
    for (size_t k = 0; k < eps_.size(); ++k) terms.push_back({weight(i, order, int(k)), &eps_[k]});
    return ops::lincomb(ctx, terms, x.dtype());
  }

 private:
  double sigma(int i) const { return sigmas_[size_t(i)]; }

  /// Integral over step i of the Lagrange polynomial that is 1 at level i - k and 0 at the other
  /// `order` - 1 levels up to i.
  double weight(int i, int order, int k) const {
    const auto lagrange = [&](double s) {
      double product = 1;
      for (int m = 0; m < order; ++m) {
        if (m != k) product *= (s - sigma(i - m)) / (sigma(i - k) - sigma(i - m));
      }
      return product;
    };
    // Gauss-Legendre with two points is exact for the cubics of order 4.
    const double half = (sigma(i + 1) - sigma(i)) / 2;
    const double middle = sigma(i) + half;
    const double offset = half / std::sqrt(3.0);
    return half * (lagrange(middle - offset) + lagrange(middle + offset));
  }

  std::vector<Tensor> eps_;  // of the last calls, newest first
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(lms, options);
  return std::make_unique<Lms>(options);
}

}  // namespace

const Scheduler lms = {
    .name = "lms",
    .summary = "linear multistep along sigma, four calls deep, one network call per step",
    .paper = "Katherine Crowson's k-diffusion, sample_lms; after Liu et al. 2022, arXiv:2202.09778",
    .diffusers_class = "LMSDiscreteScheduler",
    .aliases = "k_lms lms_discrete",
    .order = 4,
    .karras = true,
    .takes_timesteps = true,
    .takes_sigmas = true,
    .default_spacing = Spacing::kLinspace,
    .make = make,
};

}  // namespace dedit::schedulers

#include <algorithm>
#include <cmath>
#include <numbers>

#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit::schedulers {

extern const Scheduler ipndm;

namespace {

/// Adams-Bashforth weights of the newest output and those before, by how many there are.
constexpr double kWeights[4][4] = {{1.0},
                                   {3.0 / 2, -1.0 / 2},
                                   {23.0 / 12, -16.0 / 12, 5.0 / 12},
                                   {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24}};

/// Of a circle's quarter: alpha its cosine, sigma its sine, the timestep the share of it; no table
/// of training. The weights are those of even steps, which the picked angles are not.
class Ipndm : public Solver {
 public:
  explicit Ipndm(const SolverOptions& o) {
    for (int i = 0; i < o.steps; ++i) {
      const float share = torch_linspace(1, 0, o.steps + 1, i);
      const float sine = std::sin(share * float(std::numbers::pi) / 2);
      const float sigma = sine * sine;
      const float alpha = std::sqrt(1 - sigma * sigma);
      const float angle = std::atan2(sigma, alpha) / float(std::numbers::pi) * 2;
      levels_.push_back({.alpha = alpha, .sigma = sigma, .timestep = angle});
    }
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    outputs_.insert(outputs_.begin(), estimate.eps);
    if (outputs_.size() > 4) outputs_.pop_back();
    const NoiseLevel& from = levels_[size_t(i)];
    const NoiseLevel to = size_t(i) + 1 < levels_.size() ? levels_[size_t(i) + 1] : NoiseLevel{};
    // Where all is noise the output is the sample, and the picture in it nothing.
    const double keep = from.alpha > 0 ? to.alpha / from.alpha : 0;
    std::vector<Term> terms = {{keep, &x}};
    for (size_t k = 0; k < outputs_.size(); ++k) {
      const double weight = kWeights[outputs_.size() - 1][k];
      terms.push_back({(to.sigma - keep * from.sigma) * weight, &outputs_[k]});
    }
    return ops::lincomb(ctx, terms, x.dtype());
  }

 private:
  std::vector<Tensor> outputs_;  // newest first
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(ipndm, options);
  if (!options.config.trained_betas.empty()) {
    throw Error(ErrorKind::kUsage, "scheduler ipndm does not take trained_betas",
                "leave them out: its levels follow from the number of steps");
  }
  return std::make_unique<Ipndm>(options);
}

}  // namespace

const Scheduler ipndm = {
    .name = "ipndm",
    .summary = "four-step Adams-Bashforth, for networks of v told times between 0 and 1",
    .paper = "Liu et al. 2022, arXiv:2202.09778, equations 9, 12 and 13",
    .diffusers_class = "IPNDMScheduler",
    .order = 2,
    .unit_time = true,
    .make = make,
};

}  // namespace dedit::schedulers

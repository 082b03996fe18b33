#include "schedulers/dpm_weights.h"

#include <cmath>

#include "schedulers/sigma_levels.h"

#include "dedit/error.h"

namespace dedit {

DpmWeights dpm_weights(const DpmRule& rule, const NoiseLevel& s, const NoiseLevel& t, int order) {
  const double h = lambda_of(t) - lambda_of(s);  // infinite where t is clean
  // The integrals of e^u, u e^u and u^2 e^u over the step, by expm1 of k: u runs to -h, -2h or h.
  double k = -h, scale = -t.alpha;
  DpmWeights w;
  switch (rule.algorithm) {
    case DpmAlgorithm::kDpmPlusPlus:
      w.keep = t.sigma / s.sigma;
      break;
    case DpmAlgorithm::kSdePlusPlus:
      k = -2 * h;
      w.keep = t.sigma / s.sigma * std::exp(-h);
      w.noise = t.sigma * std::sqrt(-std::expm1(k));
      break;
    case DpmAlgorithm::kDpm:
    case DpmAlgorithm::kSde:
      k = h;
      scale = rule.algorithm == DpmAlgorithm::kSde ? -2 * t.sigma : -t.sigma;
      w.keep = t.alpha / s.alpha;
      if (rule.draws()) w.noise = t.sigma * std::sqrt(std::expm1(2 * h));
      break;
  }
  w.d0 = scale * std::expm1(k);
  const bool exact = order == 3 || rule.type == DpmType::kHeun;
  w.d1 = exact ? scale * (std::expm1(k) / k - 1) : w.d0 / 2;
  // The reference adds the half of its stochastic rule where the integral subtracts it.
  const double half = rule.algorithm == DpmAlgorithm::kSdePlusPlus ? 0.5 : -0.5;
  if (order == 3) w.d2 = scale * ((std::expm1(k) - k) / (k * k) + half);
  return w;
}

Tensor dpm_output(Ctx& ctx, const DpmRule& rule, const SchedulerConfig& config,
                  const NoiseLevel& level, const Tensor& x, const Estimate& estimate) {
  if (rule.predicts_x0()) return estimate.x0;
  if (!config.thresholding) return estimate.eps;
  return ops::lincomb(ctx, {{1 / level.sigma, &x}, {-level.alpha / level.sigma, &estimate.x0}});
}

void end_with_noise(SolverOptions& options) {
  if (options.config.prediction == Prediction::kFlow) {
    throw Error(ErrorKind::kUsage, "flow_prediction goes with dpmsolver++ and sde-dpmsolver++ only",
                "set algorithm_type to dpmsolver++");
  }
  if (options.config.final_sigma_zero && options.config.use == ConfigUse::kScheduler) {
    throw Error(ErrorKind::kUsage, "final_sigmas_type zero does not go with dpmsolver",
                "set final_sigmas_type to sigma_min");
  }
  options.config.final_sigma_zero = false;
}

}  // namespace dedit

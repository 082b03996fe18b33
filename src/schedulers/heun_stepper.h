// Heun's rule over two network calls: to the next level by the slope here, then again from the
// start by the mean with the slope there. Karras et al. 2022, arXiv:2206.00364, Algorithm 1.
#pragma once

#include <utility>
#include <vector>

#include "schedulers/scheduler.h"

namespace dedit {

class HeunStepper {
 public:
  /// x after the call, with the slope of this call and the step's change of its variable.
  Tensor step(Ctx& ctx, const Tensor& x, const Tensor& slope, double change) {
    if (start_) {
      const Tensor start = std::exchange(start_, Tensor());
      return ops::lincomb(ctx, {{1.0, &start}, {change / 2, &slope_}, {change / 2, &slope}});
    }
    start_ = x;
    slope_ = slope;
    return ops::lincomb(ctx, {{1.0, &x}, {change, &slope}});
  }

 private:
  Tensor start_;  // x where the step in progress began; none between steps
  Tensor slope_;  // of its first call
};

/// Levels of N steps as the calls meet them: each but the first twice.
inline std::vector<NoiseLevel> heun_levels(const std::vector<NoiseLevel>& levels) {
  std::vector<NoiseLevel> calls;
  for (const NoiseLevel& level : levels) calls.insert(calls.end(), calls.empty() ? 1 : 2, level);
  return calls;
}

/// The reference's `sigmas` of these calls, the final one last.
inline std::vector<double> heun_sigmas(const std::vector<NoiseLevel>& calls) {
  std::vector<double> sigmas;
  for (const NoiseLevel& call : calls) sigmas.push_back(call.sigma);
  sigmas.push_back(0);
  return sigmas;
}

}  // namespace dedit

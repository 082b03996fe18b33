// One step of DPM-Solver and DPM-Solver++, which the multistep and the singlestep schedulers share.
// Lu et al. 2022, arXiv:2206.00927 and arXiv:2211.01095, appendix B; names follow the papers.
#pragma once

#include "schedulers/scheduler.h"

namespace dedit {

enum class DpmAlgorithm { kDpmPlusPlus, kSdePlusPlus, kDpm, kSde };
enum class DpmType { kMidpoint, kHeun };

struct DpmRule {
  DpmAlgorithm algorithm = DpmAlgorithm::kDpmPlusPlus;
  DpmType type = DpmType::kMidpoint;
  bool draws() const {
    return algorithm == DpmAlgorithm::kSdePlusPlus || algorithm == DpmAlgorithm::kSde;
  }
  /// Whether the data is extrapolated, not the noise.
  bool predicts_x0() const {
    return algorithm == DpmAlgorithm::kDpmPlusPlus || algorithm == DpmAlgorithm::kSdePlusPlus;
  }
};

/// x_t = keep x_s + d0 D0 + d1 D1 + d2 D2 + noise z, with D the derivatives of the model's output.
struct DpmWeights {
  double keep = 1, d0 = 0, d1 = 0, d2 = 0, noise = 0;
};
/// From level s to level t. `order` 2 weighs D1 by the rule's type, 3 by the exact integrals.
DpmWeights dpm_weights(const DpmRule&, const NoiseLevel& s, const NoiseLevel& t, int order);

/// The model's output as the rule takes it. Noise follows x0 where that may have been thresholded.
Tensor dpm_output(Ctx&, const DpmRule&, const SchedulerConfig&, const NoiseLevel&, const Tensor& x,
                  const Estimate&);

/// Where the noise is extrapolated the last sigma cannot be 0: pipelines get sigma_min, the class
/// alone Error(kUsage), as in the reference.
void end_with_noise(SolverOptions& options);

/// Choices of the parameters "algorithm_type" and "solver_type", in the order of the enums.
inline constexpr std::string_view kDpmAlgorithms[] = {"dpmsolver++", "sde-dpmsolver++", "dpmsolver",
                                                      "sde-dpmsolver"};
inline constexpr std::string_view kDpmTypes[] = {"midpoint", "heun"};

}  // namespace dedit

// The training schedule as sigmas (noise over signal), and the ways to spread N of them.
#pragma once

#include <vector>

#include "schedulers/scheduler.h"

namespace dedit {

class SigmaTable {
 public:
  explicit SigmaTable(const NoiseSchedule& schedule);

  double front() const { return sigmas_.front(); }  ///< at timestep 0
  double back() const { return sigmas_.back(); }    ///< at the last timestep
  /// Sigma at a timestep, linear between integers, clamped to the range (np.interp).
  double at(double timestep) const;
  /// Timestep of a sigma, linear in log sigma, clamped to the range.
  double timestep_of(double sigma) const;
  /// n sigmas from the last one down to the first one, evenly spread in the table's logarithms.
  std::vector<double> even_in_log(int n) const;

 private:
  std::vector<float> sigmas_;      // sqrt((1 - alpha_bar) / alpha_bar), ascending
  std::vector<float> log_sigmas_;  // f32 as in the reference
};

/// n sigmas from `first` down to `last`. Karras: evenly spread in sigma^(1/7), Karras et al. 2022
/// (arXiv:2206.00364), equation 5. Exponential: in log sigma. Beta: at the quantiles of
/// Beta(0.6, 0.6), Lee et al. 2024 (arXiv:2407.12173).
std::vector<double> spread_sigmas(Sigmas, double first, double last, int n);

}  // namespace dedit

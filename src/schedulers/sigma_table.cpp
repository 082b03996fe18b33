#include "schedulers/sigma_table.h"

#include <algorithm>
#include <cmath>

namespace dedit {

SigmaTable::SigmaTable(const NoiseSchedule& schedule) {
  for (float alpha_bar : schedule.alphas_cumprod()) {
    sigmas_.push_back(std::sqrt((1.0f - alpha_bar) / alpha_bar));
    log_sigmas_.push_back(std::log(sigmas_.back()));
  }
}

double SigmaTable::at(double timestep) const {
  const int last = int(sigmas_.size()) - 1;
  if (timestep <= 0) return sigmas_.front();
  if (timestep >= last) return sigmas_.back();
  const int i = int(timestep);
  const double low = sigmas_[size_t(i)];
  return (sigmas_[size_t(i) + 1] - low) * (timestep - i) + low;
}

double SigmaTable::timestep_of(double sigma) const {
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  const auto above = std::upper_bound(log_sigmas_.begin(), log_sigmas_.end(), log_sigma);
  const int last = int(log_sigmas_.size()) - 1;
  const int i = std::clamp(int(above - log_sigmas_.begin()) - 1, 0, std::max(last - 1, 0));
  const float low = log_sigmas_[size_t(i)];
  const float high = log_sigmas_[size_t(std::min(i + 1, last))];
  const double w = std::clamp((low - log_sigma) / (low - high), 0.0, 1.0);
  return (1 - w) * i + w * (i + 1);
}

std::vector<double> karras_sigmas(double first, double last, int n) {
  constexpr double kRho = 7;
  const double from = std::pow(first, 1 / kRho);
  const double to = std::pow(last, 1 / kRho);
  std::vector<double> sigmas;
  for (int i = 0; i < n; ++i) {
    const double ramp = n > 1 ? double(i) / (n - 1) : 0;
    sigmas.push_back(std::pow(from + ramp * (to - from), kRho));
  }
  return sigmas;
}

}  // namespace dedit

#include "schedulers/sigma_table.h"

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

namespace dedit {

namespace {

/// log of an f32 > 0 to the last bit as numpy's on a CPU with FMA (a rational approximation of
/// log(1 + x) for x in [sqrt(1/2), sqrt(2)] - 1): a seventh of its values are one bit beside
/// libm's, and the reference cuts timesteps to whole numbers by them.
float numpy_log(float value) {
  constexpr float kNumerator[] = {0.0f,         1.0f,         2.11267754f,
                                  1.480000634f, 0.380883774f, 0.0258997912f};
  constexpr float kDenominator[] = {1.0f,         2.61267754f,  2.453006072f,
                                    0.986494296f, 0.154647637f, 0.005875095403f};
  int exponent = 0;
  float mantissa = std::frexp(value, &exponent);
  if (mantissa <= 0.70710678f) {
    mantissa *= 2;
    --exponent;
  }
  const float x = mantissa - 1;
  float p = kNumerator[5], q = kDenominator[5];
  for (int i = 4; i >= 0; --i) {
    p = std::fma(p, x, kNumerator[i]);
    q = std::fma(q, x, kDenominator[i]);
  }
  return std::fma(float(exponent), 0.693147181f, p / q);
}

}  // namespace

SigmaTable::SigmaTable(const NoiseSchedule& schedule) {
  for (float alpha_bar : schedule.alphas_cumprod()) {
    // Zero terminal SNR: the reference's stand-in, so that the last sigma is finite (4096).
    if (alpha_bar == 0) alpha_bar = 0x1p-24f;
    sigmas_.push_back(std::sqrt((1.0f - alpha_bar) / alpha_bar));
    log_sigmas_.push_back(numpy_log(sigmas_.back()));
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

std::vector<double> SigmaTable::even_in_log(int n) const {
  const double first = log_sigmas_.back(), last = log_sigmas_.front();
  std::vector<double> sigmas;
  for (int i = 0; i < n; ++i) {
    const double ramp = n > 1 ? double(i) / (n - 1) : 0;
    sigmas.push_back(std::exp(first + ramp * (last - first)));
  }
  return sigmas;
}

std::vector<double> spread_sigmas(Sigmas kind, double first, double last, int n) {
  constexpr double kRho = 7;
  const double ends[] = {std::pow(first, 1 / kRho), std::pow(last, 1 / kRho)};
  const auto log_at = [&](int i) {  // np.linspace: its last element is exact
    if (i > 0 && i == n - 1) return std::log(last);
    const double step = n > 1 ? (std::log(last) - std::log(first)) / (n - 1) : 0;
    return i * step + std::log(first);
  };
  std::vector<double> sigmas;
  for (int i = 0; i < n; ++i) {
    const double ramp = n > 1 ? double(i) / (n - 1) : 0;
    switch (kind) {
      case Sigmas::kDefault:
      case Sigmas::kKarras:
        sigmas.push_back(std::pow(ends[0] + ramp * (ends[1] - ends[0]), kRho));
        break;
      case Sigmas::kExponential:
      case Sigmas::kLu:  // see even_in_log
        sigmas.push_back(std::exp(log_at(i)));
        break;
      case Sigmas::kBeta:
        sigmas.push_back(last + boost::math::ibeta_inv(0.6, 0.6, 1 - ramp) * (first - last));
        break;
    }
  }
  return sigmas;
}

}  // namespace dedit

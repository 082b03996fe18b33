#include "pipeline/noise.h"

#include <algorithm>
#include <cmath>

namespace dedit {
namespace {

// Weights of low and high for vectors at the given cosine.
std::pair<double, double> slerp_weights(double share, double cosine) {
  const double omega = std::acos(std::clamp(cosine, -1.0, 1.0));
  const double sine = std::sin(omega);
  constexpr double kInLine = 1e-6;
  if (!(sine > kInLine)) return {1 - share, share};
  return {std::sin((1 - share) * omega) / sine, std::sin(share * omega) / sine};
}

}  // namespace

std::unique_ptr<NormalGenerator> make_generator(Rng kind, uint64_t seed) {
  if (kind == Rng::kPhilox) return std::make_unique<PhiloxGenerator>(seed);
  return std::make_unique<TorchCpuGenerator>(seed);
}

std::vector<float> slerp(double share, std::span<const float> low, std::span<const float> high,
                         int64_t height, int64_t width) {
  std::vector<float> mixed(low.size());
  const auto plane = size_t(height * width), step = size_t(width);
  for (size_t top = 0; top < low.size(); top += plane) {
    for (size_t column = top; column < top + step; ++column) {
      double low_square = 0, high_square = 0, product = 0;
      for (size_t i = column; i < top + plane; i += step) {
        low_square += double(low[i]) * low[i];
        high_square += double(high[i]) * high[i];
        product += double(low[i]) * high[i];
      }
      const auto [a, b] = slerp_weights(share, product / std::sqrt(low_square * high_square));
      for (size_t i = column; i < top + plane; i += step) {
        mixed[i] = float(a * low[i] + b * high[i]);
      }
    }
  }
  return mixed;
}

void vary(const EditRequest& r, size_t picture, int64_t height, int64_t width,
          std::vector<float>& noise) {
  if (r.variation_strength == 0) return;
  std::vector<float> other(noise.size());
  make_generator(r.rng, r.variation_seed + picture)->randn(other);
  noise = slerp(r.variation_strength, noise, other, height, width);
}

}  // namespace dedit

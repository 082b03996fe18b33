// Raw network output to estimates, and the forward process.
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "schedulers/scheduler.h"

namespace dedit {

namespace {

/// Alpha 0 leaves the sign of what is not noise, which clipping makes a number again.
Tensor of_pure_noise(Ctx& ctx, const Tensor& rest) {
  std::vector<float> values = ops::download(ctx, rest);
  for (float& v : values) v *= std::numeric_limits<float>::infinity();
  return ops::upload(ctx, values.data(), rest.shape(), DType::kF32);
}

}  // namespace

Estimate to_estimate(Ctx& ctx, const Tensor& x, const Tensor& raw, const NoiseLevel& level,
                     Prediction prediction) {
  const double a = level.alpha;
  const double s = level.sigma;
  const double c2 = a * a + s * s;
  const auto sum = [&](double on_x, double on_raw) {
    const Term terms[] = {{on_x, &x}, {on_raw, &raw}};
    return ops::lincomb(ctx, terms, DType::kF32);
  };
  const auto copy = [&] {
    const Term terms[] = {{1.0, &raw}};
    return raw.dtype() == DType::kF32 ? raw : ops::lincomb(ctx, terms, DType::kF32);
  };
  switch (prediction) {
    case Prediction::kEpsilon:
      if (a == 0) return {.x0 = of_pure_noise(ctx, sum(1, -s)), .eps = copy()};
      return {.x0 = sum(1 / a, -s / a), .eps = copy()};
    case Prediction::kSample:
      return {.x0 = copy(), .eps = sum(1 / s, -a / s)};
    case Prediction::kV: {
      // On x / c, whose factors are cosine and sine: v = cos * eps - sin * x0.
      const double c = std::sqrt(c2);
      return {.x0 = sum(a / c2, -s / c), .eps = sum(s / c2, a / c)};
    }
    case Prediction::kFlow:
      return {.x0 = sum(1 / (a + s), -s / (a + s)), .eps = sum(1 / (a + s), a / (a + s))};
  }
  return {};
}

namespace {

/// torch.quantile: linear between the two nearest of the sorted values.
float quantile(std::vector<float> values, double q) {
  const double place = q * double(values.size() - 1);
  const auto low = size_t(place);
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(low), values.end());
  const float at = values[low];
  if (low + 1 == values.size()) return at;
  const float above = *std::min_element(values.begin() + std::ptrdiff_t(low) + 1, values.end());
  return float(at + (double(above) - at) * (place - double(low)));
}

}  // namespace

Tensor limit_x0(Ctx& ctx, const Tensor& x0, const SchedulerConfig& c, const Scheduler& scheduler) {
  const bool thresholds = c.thresholding && scheduler.thresholds;
  if (!thresholds && !(c.clip_sample && scheduler.clips)) return x0;
  std::vector<float> values = ops::download(ctx, x0);
  const size_t row = values.size() / size_t(x0.dim(0));
  for (size_t first = 0; first < values.size(); first += row) {
    const std::span<float> x(values.data() + first, row);
    float limit = float(c.clip_sample_range), scale = 1;
    if (thresholds) {
      std::vector<float> sizes(row);
      std::transform(x.begin(), x.end(), sizes.begin(), [](float v) { return std::abs(v); });
      // torch.clamp(1, most): a `most` below 1 wins.
      const double wanted = std::max(1.0, double(quantile(sizes, c.dynamic_thresholding_ratio)));
      limit = scale = float(std::min(wanted, c.sample_max_value));
    }
    for (float& v : x) v = std::clamp(v, -limit, limit) / scale;
  }
  return ops::upload(ctx, values.data(), x0.shape(), x0.dtype());
}

Tensor add_noise(Ctx& ctx, const Tensor& source, const Tensor& noise, const NoiseLevel& level) {
  const Term terms[] = {{level.alpha, &source}, {level.sigma, &noise}};
  return ops::lincomb(ctx, terms, DType::kF32);
}

}  // namespace dedit

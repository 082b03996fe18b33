// Raw network output to estimates, and the forward process.
#include <cmath>

#include "schedulers/scheduler.h"

namespace dedit {

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
      return {.x0 = sum(1 / a, -s / a), .eps = copy()};
    case Prediction::kSample:
      return {.x0 = copy(), .eps = sum(1 / s, -a / s)};
    case Prediction::kV: {
      // On x / c, whose factors are cosine and sine: v = cos * eps - sin * x0.
      const double c = std::sqrt(c2);
      return {.x0 = sum(a / c2, -s / c), .eps = sum(s / c2, a / c)};
    }
  }
  return {};
}

Tensor add_noise(Ctx& ctx, const Tensor& source, const Tensor& noise, const NoiseLevel& level) {
  const Term terms[] = {{level.alpha, &source}, {level.sigma, &noise}};
  return ops::lincomb(ctx, terms, DType::kF32);
}

}  // namespace dedit

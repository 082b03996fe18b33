// exp, the normal distribution function and the activations, vectorised.
#pragma once

#include "cpu/kernels.h"
#include "cpu/vec.h"

namespace dedit::kernels::DEDIT_ISA {
namespace {

/// e^x within 1 ulp or so; 0 below -87.3 (AVX2 only), saturates near 3e38 above 88.3.
inline Vec exp(Vec x) {
  const Vec clamped = min(max(x, set1(-110.0f)), set1(88.37f));
  const Vec n = round(clamped * set1(1.44269504f));
  // ln 2 in two parts, the first with 15 trailing zero bits, so that n * high is exact.
  Vec r = fma(n, set1(-0.693359375f), clamped);
  r = fma(n, set1(2.12194440e-4f), r);
  // Taylor to x^7: the remainder on |r| <= 0.347 is 5e-9.
  Vec p = set1(1.0f / 5040);
  p = fma(p, r, set1(1.0f / 720));
  p = fma(p, r, set1(1.0f / 120));
  p = fma(p, r, set1(1.0f / 24));
  p = fma(p, r, set1(1.0f / 6));
  p = fma(p, r, set1(0.5f));
  p = fma(p, r, set1(1.0f));
  p = fma(p, r, set1(1.0f));
#if defined(DEDIT_ISA_avx2)
  // 2^n in two factors: n reaches -159, and the product may be denormal.
  const Vec half = round(n * set1(0.5f));
  return scale_by_power(scale_by_power(p, half), n - half);
#else
  return scale_by_power(p, n);
#endif
}

inline Vec sigmoid(Vec x) {
  return set1(1.0f) / (set1(1.0f) + exp(set1(0.0f) - x));
}

/// x * Phi(x). With a = |x|: Phi(-a) = e^(-a^2/2) R(a), where R is a rational function (4 over 5)
/// fitted here to erfcx(a / sqrt 2) / 2 on [0, 14] with largest relative error 6e-9. All its
/// coefficients are positive, so nothing cancels, and the tail of negative x keeps its relative
/// accuracy, which x/2 (1 + erf) would lose. Largest relative error measured: 3.4e-7.
inline Vec gelu(Vec x) {
  const Vec a = min(abs(x), set1(14.0f));
  Vec num = set1(0.004077510311455741f);
  num = fma(num, a, set1(0.040371923123025184f));
  num = fma(num, a, set1(0.18246002071570044f));
  num = fma(num, a, set1(0.4372485636415268f));
  num = fma(num, a, set1(0.5000000027563523f));
  Vec den = set1(0.010220673873902747f);
  den = fma(den, a, set1(0.1012042144312024f));
  den = fma(den, a, set1(0.4674243048266402f));
  den = fma(den, a, set1(1.199283367669135f));
  den = fma(den, a, set1(1.6723820824187838f));
  den = fma(den, a, set1(1.0f));
  // a^2 = square + rest exactly: rounding a^2 alone would cost up to 5e-6 in the exponential.
  const Vec square = a * a;
  const Vec rest = fma(a, a, set1(0.0f) - square);
  const Vec e = exp(square * set1(-0.5f));
  const Vec tail = fma(e * set1(-0.5f), rest, e) * (num / den);
  return x * select_negative(x, tail, set1(1.0f) - tail);
}

template <Activation kind>
inline Vec activate(Vec x) {
  if constexpr (kind == Activation::kSilu) return x * sigmoid(x);
  if constexpr (kind == Activation::kGelu) return gelu(x);
  if constexpr (kind == Activation::kQuickGelu) return x * sigmoid(set1(1.702f) * x);
  return x;
}

/// Calls body with the activation as a compile-time constant: body(Constant<kind>{}).
template <Activation kind>
struct Constant {
  static constexpr Activation value = kind;
};
template <class Body>
inline void with_activation(Activation kind, const Body& body) {
  switch (kind) {
    case Activation::kNone:
      return body(Constant<Activation::kNone>{});
    case Activation::kSilu:
      return body(Constant<Activation::kSilu>{});
    case Activation::kGelu:
      return body(Constant<Activation::kGelu>{});
    case Activation::kQuickGelu:
      return body(Constant<Activation::kQuickGelu>{});
  }
}

}  // namespace
}  // namespace dedit::kernels::DEDIT_ISA

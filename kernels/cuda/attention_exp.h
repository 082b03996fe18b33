// The exponentials of attention's weights.
//
// Scores are kept as the products q k. A row has a reference `top`, in powers of two: its weights
// are 2^(score * scale * log2(e) - top), its sum and output are relative to it. top is the largest
// score at the time it was set, and is set anew only where a later score exceeds it by more than
// kSlack: then weights are at most 2^kSlack, which f32 sums and the rounding of weights do not
// notice, and the output is hardly ever scaled.
#pragma once

#include <bit>
#include <cfloat>

#include "cuda/fragment.h"

namespace dedit::cuda::flash {

inline constexpr float kSlack = 8;
inline constexpr float kLowestTop = -FLT_MAX;  ///< before the first score; finite: no inf - inf

/// 2^x to 2.6e-6 by multiplications and additions alone, for x up to 126; 2^-125 for smaller x.
__device__ inline float polynomial_exp2(float x) {
  constexpr float kRound = 0x1.8p23f;  // added, it leaves the nearest integer in the low bits
  const float bounded = max_or_nan(x, -125.0f);
  const float shifted = bounded + kRound;
  const float f = bounded - (shifted - kRound);
  // Least largest relative error on [-1/2, 1/2].
  float y = 0.009570102207362652f;
  y = y * f + 0.05591785907745361f;
  y = y * f + 0.240247443318367f;
  y = y * f + 0.6931217908859253f;
  y = y * f + 0.9999992847442627f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(y) +
                              (std::bit_cast<uint32_t>(shifted) << 23));
}

/// The factor that takes a sum from one reference to another; 0 from kLowestTop to any score.
__device__ inline float rescale(float from_top, float to_top) {
  return fast_exp2(from_top - to_top);
}

}  // namespace dedit::cuda::flash

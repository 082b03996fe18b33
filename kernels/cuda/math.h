// Scalar functions of the kernels.
#pragma once

#include <cmath>

#include "cuda/simt.h"

namespace dedit::cuda {

DEDIT_HOST_DEVICE inline float sigmoid(float x) {
  return 1 / (1 + expf(-x));
}

/// The exact form, by the error function.
DEDIT_HOST_DEVICE inline float gelu(float x) {
  return 0.5f * x * (1 + erff(x * 0.70710678f));
}

DEDIT_HOST_DEVICE inline float activate(float x, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kSilu:
      return x * sigmoid(x);
    case Activation::kGelu:
      return gelu(x);
    case Activation::kQuickGelu:
      return x * sigmoid(1.702f * x);
  }
  return x;
}

/// Within a few units of the last place of f32, in a third of the instructions: for results that
/// are rounded to 16 bits.
DEDIT_HOST_DEVICE inline float fast_silu(float x) {
#ifdef __CUDA_ARCH__
  return __fdividef(x, 1 + __expf(-x));
#else
  return x * sigmoid(x);
#endif
}

/// activate() on N values that end as T, with the choice made once.
template <class T, int N>
DEDIT_HOST_DEVICE void activate_all(float (&v)[N], Activation activation) {
  if (activation == Activation::kNone) return;
  if (activation == Activation::kSilu) {
    for (float& x : v) x = sizeof(T) == 2 ? fast_silu(x) : x * sigmoid(x);
    return;
  }
  for (float& x : v) x = activate(x, activation);
}

/// mask a + (1 - mask) b, exactly a where mask is 1 and exactly b where it is 0.
DEDIT_HOST_DEVICE inline float mix(float mask, float a, float b) {
  if (mask == 1) return a;
  if (mask == 0) return b;
  return mask * a + (1 - mask) * b;
}

}  // namespace dedit::cuda

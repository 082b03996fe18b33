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

}  // namespace dedit::cuda

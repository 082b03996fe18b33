// Types of stored numbers.
#pragma once

#include <cstdint>

namespace dedit::kernels {

/// Of activations; bf16 is held as uint16_t.
enum Type : uint8_t { kTypeF32, kTypeBf16, kTypes };

/// kGelu is x/2 (1 + erf(x / sqrt 2)), kQuickGelu is x sigmoid(1.702 x).
enum class Activation : uint8_t { kNone, kSilu, kGelu, kQuickGelu };

/// IEEE binary16; apart from uint16_t, so that overloads tell it from bf16.
struct Half {
  uint16_t bits;
};

/// Of weights as a checkpoint stores them.
enum WeightType : uint8_t { kWeightF32, kWeightBf16, kWeightF16, kWeightTypes };

}  // namespace dedit::kernels

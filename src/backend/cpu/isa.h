// The instruction set this process uses.
#pragma once

#include "cpu/kernels.h"

namespace dedit::cpu {

/// The best level of this machine, capped by DEDIT_MAX_ISA (avx2, avx512, avx512_bf16, amx).
/// Throws Error(kUsage) on an unknown name, Error(kOther) on a CPU without AVX2.
kernels::IsaLevel isa_of_environment();

/// isa_of_environment() at the first call of this process, with oneDNN capped alike.
kernels::IsaLevel chosen_isa();

/// True where bf16 products run natively; elsewhere they are computed in f32.
inline bool has_bf16_products(kernels::IsaLevel level) {
  return level >= kernels::IsaLevel::kAvx512Bf16;
}

}  // namespace dedit::cpu

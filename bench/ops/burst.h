// Bursts of bare multiply-adds on registers: what the machine can do at this moment, which clocks
// and neighbours change from second to second. A time beside them becomes a share.
#pragma once

namespace dedit::bench {

/// FLOP/s of all threads of parallel_for together, about 20 ms each; 0 where the CPU lacks it or
/// DEDIT_MAX_ISA forbids it.
struct Burst {
  double f32 = 0;   ///< FMA at the widest vectors
  double bf16 = 0;  ///< dot product of AVX512-BF16
  double amx = 0;   ///< tile product of bf16
};

Burst measure_burst();

}  // namespace dedit::bench

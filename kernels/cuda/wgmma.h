// Matrix products of a warpgroup (four consecutive warps, the first a multiple of four): compute
// capability 9.0a.
//
// Operands lie in shared memory as load_box() leaves them: rows of 64 elements of k (128 bytes,
// swizzled), eight rows to 1024 bytes. Sums: with warp the number of the warp in its group, g =
// lane / 4 and t = lane % 4, of every eight columns c a thread has
//   d[c / 2], d[c / 2 + 1] row 16 warp + g, columns c + 2t and c + 2t + 1;
//   d[c / 2 + 2], d[c / 2 + 3] row 16 warp + g + 8.
// The order of a step: wgmma_fence(), products, wgmma_commit(), wgmma_wait(); the sums must not be
// touched before the wait. Every thread of the warpgroup calls them together.
#pragma once

#include <type_traits>

#include "cuda/mma.h"
#ifndef __CUDACC__
#include "support/simt_hopper.h"
#endif

namespace dedit::cuda {

/// Names a matrix whose first row is at this address of shared memory: a multiple of 1024, plus 32
/// for each 16 columns to leave out.
DEDIT_HOST_DEVICE constexpr uint64_t wgmma_descriptor(uint32_t address) {
  constexpr uint64_t kSwizzle128 = uint64_t{1} << 62;
  constexpr uint64_t kGroup = uint64_t{1024 >> 4} << 32;  // from eight rows to the next
  constexpr uint64_t kUnused = uint64_t{1} << 16;         // one swizzle atom is all of k
  return kSwizzle128 | kGroup | kUnused | (address & 0x3ffff) >> 4;
}
/// What to add to a descriptor to move on by 16 columns.
inline constexpr uint64_t kWgmmaNextK = 32 >> 4;

#ifdef __CUDACC__

__device__ inline void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ inline void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits until at most `kLeft` committed groups of this warp are unfinished.
template <int kLeft>
__device__ inline void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(kLeft) : "memory");
}
/// Keeps the compiler from moving uses of d over this point: call it after the wait for d.
template <int kCount>
__device__ inline void wgmma_settle(float (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i]) : : "memory");
}

/// Gives registers of this warpgroup to the others of the block, or takes them; kCount each thread.
template <int kCount>
__device__ inline void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" : : "n"(kCount));
}
template <int kCount>
__device__ inline void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" : : "n"(kCount));
}

// Asm operands by count: the sums %0 to %(n / 2 - 1), then both descriptors and whether to add.
#define DEDIT_SUMS_0_32                                                    \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define DEDIT_SUMS_32_64                                                             \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define DEDIT_SUMS_64_80 \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define DEDIT_SUMS_80_96 \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define DEDIT_SUMS_96_128                                                                        \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define DEDIT_D8(i)                                                                           \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define DEDIT_D16(i) DEDIT_D8(i), DEDIT_D8(i + 8)
#define DEDIT_D32(i) DEDIT_D16(i), DEDIT_D16(i + 16)
#define DEDIT_WGMMA_ASM(n, type, sums, a_at, b_at, add_at, ...)                                \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " add_at                                      \
               ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type " {" sums \
               "}, " a_at ", " b_at ", p, 1, 1, 0, 0;\n}"                                      \
               : __VA_ARGS__                                                                   \
               : "l"(a), "l"(b), "r"(int(add)))
#define DEDIT_WGMMA(n, sums, a_at, b_at, add_at, ...)                                \
  template <class T>                                                                 \
  __device__ inline void wgmma(float(&d)[n / 2], uint64_t a, uint64_t b, bool add) { \
    if constexpr (std::is_same_v<T, Bf16>) {                                         \
      DEDIT_WGMMA_ASM(n, "bf16", sums, a_at, b_at, add_at, __VA_ARGS__);             \
    } else {                                                                         \
      DEDIT_WGMMA_ASM(n, "f16", sums, a_at, b_at, add_at, __VA_ARGS__);              \
    }                                                                                \
  }

// wgmma<T>(d, a, b, add): d [64, n] = a [64, 16] b [n, 16]^T, added to d if `add`, of Bf16 or F16;
// n is twice the size of d.
DEDIT_WGMMA(64, DEDIT_SUMS_0_32, "%32", "%33", "%34", DEDIT_D32(0))
DEDIT_WGMMA(128, DEDIT_SUMS_0_32 ", " DEDIT_SUMS_32_64, "%64", "%65", "%66", DEDIT_D32(0),
            DEDIT_D32(32))
DEDIT_WGMMA(160, DEDIT_SUMS_0_32 ", " DEDIT_SUMS_32_64 ", " DEDIT_SUMS_64_80, "%80", "%81", "%82",
            DEDIT_D32(0), DEDIT_D32(32), DEDIT_D16(64))
DEDIT_WGMMA(192, DEDIT_SUMS_0_32 ", " DEDIT_SUMS_32_64 ", " DEDIT_SUMS_64_80 ", " DEDIT_SUMS_80_96,
            "%96", "%97", "%98", DEDIT_D32(0), DEDIT_D32(32), DEDIT_D32(64))
DEDIT_WGMMA(256,
            DEDIT_SUMS_0_32 ", " DEDIT_SUMS_32_64 ", " DEDIT_SUMS_64_80 ", " DEDIT_SUMS_80_96
                            ", " DEDIT_SUMS_96_128,
            "%128", "%129", "%130", DEDIT_D32(0), DEDIT_D32(32), DEDIT_D32(64), DEDIT_D32(96))

#undef DEDIT_WGMMA
#undef DEDIT_WGMMA_ASM
#undef DEDIT_D32
#undef DEDIT_D16
#undef DEDIT_D8
#undef DEDIT_SUMS_96_128
#undef DEDIT_SUMS_80_96
#undef DEDIT_SUMS_64_80
#undef DEDIT_SUMS_32_64
#undef DEDIT_SUMS_0_32

#else

inline uint32_t shared_address(const void* p) {
  return simt::shared_address(p);
}
inline void wgmma_fence() {
  simt::wgmma_fence();
}
inline void wgmma_commit() {
  simt::wgmma_commit();
}
template <int kLeft>
void wgmma_wait() {
  simt::wgmma_wait(kLeft);
}
template <int kCount>
void wgmma_settle(float (&)[kCount]) {}
template <int kCount>
void give_registers() {}
template <int kCount>
void take_registers() {}
template <class T, int kCount>
void wgmma(float (&d)[kCount], uint64_t a, uint64_t b, bool add) {
  simt::wgmma(d, 2 * kCount, a, b, add, std::is_same_v<T, Bf16>);
}

#endif

}  // namespace dedit::cuda

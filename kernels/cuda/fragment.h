// Instructions that attention needs beside those of mma.h.
#pragma once

#include "cuda/mma.h"

namespace dedit::cuda {

#ifdef __CUDACC__

/// Two elements as one register of a fragment, `low` in the lower half; rounded to nearest even.
template <class T>
__device__ inline uint32_t pack(float low, float high);
template <>
__device__ inline uint32_t pack<Bf16>(float low, float high) {
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}
template <>
__device__ inline uint32_t pack<F16>(float low, float high) {
  uint32_t both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}

/// mma_16x8x16 of half the depth: a[2], a[3] and b[1] are left out.
template <class T>
__device__ inline void mma_16x8x8(float (&d)[4], const uint32_t (&a)[2], uint32_t b);
template <>
__device__ inline void mma_16x8x8<Bf16>(float (&d)[4], const uint32_t (&a)[2], uint32_t b) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b));
}
template <>
__device__ inline void mma_16x8x8<F16>(float (&d)[4], const uint32_t (&a)[2], uint32_t b) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b));
}

/// The larger; NaN if one is NaN, unlike fmaxf.
__device__ inline float max_or_nan(float a, float b) {
  float larger;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(larger) : "f"(a), "f"(b));
  return larger;
}

/// The same value, which the compiler takes for another: what is made of it inside a loop is made
/// anew each time, and takes no registers meanwhile.
__device__ inline int made_anew(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

#else

template <class T>
uint32_t pack(float low, float high) {
  return from_float<T>(low).bits | uint32_t(from_float<T>(high).bits) << 16;
}
template <class T>
void mma_16x8x8(float (&d)[4], const uint32_t (&a)[2], uint32_t b) {
  mma_16x8x16<T>(d, {a[0], a[1], 0, 0}, {b, 0});
}
inline float max_or_nan(float a, float b) {
  return a < b ? b : a;  // a, if it is NaN: callers pass constants as b
}
inline int made_anew(int value) {
  return value;
}

#endif

}  // namespace dedit::cuda

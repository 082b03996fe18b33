// Element types of activations and weights on a GPU, and vectors of them.
#pragma once

#include <bit>

#include "cuda/simt.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace dedit::cuda {

/// bfloat16 and IEEE binary16 as storage; arithmetic is in float.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

DEDIT_HOST_DEVICE inline float to_float(float v) {
  return v;
}

#ifdef __CUDACC__

__host__ __device__ inline float to_float(Bf16 v) {
  return std::bit_cast<float>(uint32_t(v.bits) << 16);
}
__host__ __device__ inline float to_float(F16 v) {
  return __half2float(__half(__half_raw{v.bits}));
}
__host__ __device__ inline Bf16 to_bf16(float f) {
  return {__nv_bfloat16_raw(__float2bfloat16_rn(f)).x};
}
__host__ __device__ inline F16 to_f16(float f) {
  return {__half_raw(__float2half_rn(f)).x};
}

#else

inline float to_float(Bf16 v) {
  return std::bit_cast<float>(uint32_t(v.bits) << 16);
}
inline float to_float(F16 v) {
  return float(std::bit_cast<_Float16>(v.bits));
}
inline Bf16 to_bf16(float f) {
  const uint32_t u = std::bit_cast<uint32_t>(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {0x7fff};  // as the GPU's conversion
  return {uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}
inline F16 to_f16(float f) {
  return {std::bit_cast<uint16_t>(_Float16(f))};
}

#endif

/// Rounds to nearest even.
template <class T>
DEDIT_HOST_DEVICE T from_float(float f);
template <>
DEDIT_HOST_DEVICE inline float from_float<float>(float f) {
  return f;
}
template <>
DEDIT_HOST_DEVICE inline Bf16 from_float<Bf16>(float f) {
  return to_bf16(f);
}
template <>
DEDIT_HOST_DEVICE inline F16 from_float<F16>(float f) {
  return to_f16(f);
}

/// N elements that are loaded and stored at once; the address must be a multiple of its size.
template <class T, int N>
struct alignas(sizeof(T) * N) Vec {
  T v[N];
};

/// 16 bytes of T, the widest load.
template <class T>
inline constexpr int kWide = 16 / int(sizeof(T));

template <class T>
struct Tag {
  using type = T;
};

/// f(Tag<float>), f(Tag<Bf16>) or f(Tag<F16>).
template <class F>
void dispatch(Type type, const F& f) {
  switch (type) {
    case Type::kF32:
      return f(Tag<float>{});
    case Type::kBF16:
      return f(Tag<Bf16>{});
    case Type::kF16:
      return f(Tag<F16>{});
  }
}

}  // namespace dedit::cuda

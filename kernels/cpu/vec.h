// One vector of f32 lanes at this file's instruction set: 8 with AVX2, 16 with AVX-512.
// Everything is in an unnamed namespace or an intrinsic: code compiled for one level must not be
// merged by the linker with another level's copy.
#pragma once

#include <cstdint>
#include <cstring>
#include <immintrin.h>

#include "cpu/types.h"

namespace dedit::kernels::DEDIT_ISA {
namespace {

#if defined(DEDIT_ISA_avx2)

using Vec = __m256;
using IntVec = __m256i;
constexpr int64_t kLanes = 8;

inline Vec set1(float v) {
  return _mm256_set1_ps(v);
}
inline Vec load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline Vec load(const uint16_t* p) {
  const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
inline Vec load(const Half* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v);
}
/// Round to nearest even; NaN becomes a quiet NaN.
inline void store(uint16_t* p, Vec v) {
  const IntVec u = _mm256_castps_si256(v);
  const IntVec odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const IntVec rounded =
      _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd), 16);
  const IntVec nan = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
  const IntVec is_nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const IntVec r = _mm256_blendv_epi8(rounded, nan, is_nan);
  const __m128i h = _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), h);
}
template <class T>
inline Vec load_part(const T* p, int64_t n) {
  T lanes[kLanes] = {};
  std::memcpy(lanes, p, size_t(n) * sizeof(T));
  return load(lanes);
}
template <class T>
inline void store_part(T* p, Vec v, int64_t n) {
  T lanes[kLanes];
  store(lanes, v);
  std::memcpy(p, lanes, size_t(n) * sizeof(T));
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline Vec min(Vec a, Vec b) {
  return _mm256_min_ps(a, b);
}
inline Vec max(Vec a, Vec b) {
  return _mm256_max_ps(a, b);
}
inline Vec abs(Vec a) {
  return _mm256_andnot_ps(set1(-0.0f), a);
}
inline Vec round(Vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/// a where x < 0, else b
inline Vec select_negative(Vec x, Vec a, Vec b) {
  return _mm256_blendv_ps(b, a, x);
}
/// a * 2^n for integer n in -126..127
inline Vec scale_by_power(Vec a, Vec n) {
  const IntVec e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return a * _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}
/// Rows become columns.
inline void transpose(Vec (&r)[kLanes]) {
  Vec a[kLanes], b[kLanes];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {  // columns 0 to 3 of each half, rows 4i to 4i + 3
      b[4 * i + 2 * j] = _mm256_shuffle_ps(a[4 * i + j], a[4 * i + j + 2], 0x44);
      b[4 * i + 2 * j + 1] = _mm256_shuffle_ps(a[4 * i + j], a[4 * i + j + 2], 0xee);
    }
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
}

#else

using Vec = __m512;
using IntVec = __m512i;
constexpr int64_t kLanes = 16;

inline Vec set1(float v) {
  return _mm512_set1_ps(v);
}
inline __mmask16 first(int64_t n) {
  return __mmask16((1u << n) - 1);
}
inline Vec from_bf16(__m256i h) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
/// Round to nearest even; NaN becomes a quiet NaN. Not vcvtneps2bf16, which flushes denormals.
inline __m256i to_bf16(Vec v) {
  const IntVec u = _mm512_castps_si512(v);
  const IntVec high = _mm512_srli_epi32(u, 16);
  const IntVec odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const IntVec rounded =
      _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd), 16);
  const __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(
      _mm512_mask_or_epi32(rounded, is_nan, high, _mm512_set1_epi32(0x40)));
}
inline Vec load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline Vec load(const uint16_t* p) {
  return from_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vec load(const Half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline void store(float* p, Vec v) {
  _mm512_storeu_ps(p, v);
}
inline void store(uint16_t* p, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(v));
}
inline Vec load_part(const float* p, int64_t n) {
  return _mm512_maskz_loadu_ps(first(n), p);
}
inline Vec load_part(const uint16_t* p, int64_t n) {
  return from_bf16(_mm256_maskz_loadu_epi16(first(n), p));
}
inline Vec load_part(const Half* p, int64_t n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p));
}
inline void store_part(float* p, Vec v, int64_t n) {
  _mm512_mask_storeu_ps(p, first(n), v);
}
inline void store_part(uint16_t* p, Vec v, int64_t n) {
  _mm256_mask_storeu_epi16(p, first(n), to_bf16(v));
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline Vec min(Vec a, Vec b) {
  return _mm512_min_ps(a, b);
}
inline Vec max(Vec a, Vec b) {
  return _mm512_max_ps(a, b);
}
inline Vec abs(Vec a) {
  return _mm512_abs_ps(a);
}
inline Vec round(Vec a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/// a where x < 0, else b
inline Vec select_negative(Vec x, Vec a, Vec b) {
  return _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(x)), b, a);
}
/// a * 2^n for integer n
inline Vec scale_by_power(Vec a, Vec n) {
  return _mm512_scalef_ps(a, n);
}

/// Rows become columns.
inline void transpose(Vec (&r)[kLanes]) {
  Vec a[kLanes], b[kLanes];
  for (int i = 0; i < 8; ++i) {
    a[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 2; ++j) {  // columns 0 to 3 of each quarter, rows 4i to 4i + 3
      b[4 * i + 2 * j] = _mm512_shuffle_ps(a[4 * i + j], a[4 * i + j + 2], 0x44);
      b[4 * i + 2 * j + 1] = _mm512_shuffle_ps(a[4 * i + j], a[4 * i + j + 2], 0xee);
    }
  }
  for (int i = 0; i < 4; ++i) {  // a 4x4 transposition of quarters
    const Vec even0 = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
    const Vec odd0 = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
    const Vec even1 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
    const Vec odd1 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
    r[i] = _mm512_shuffle_f32x4(even0, even1, 0x88);
    r[i + 4] = _mm512_shuffle_f32x4(odd0, odd1, 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(even0, even1, 0xdd);
    r[i + 12] = _mm512_shuffle_f32x4(odd0, odd1, 0xdd);
  }
}

#endif

/// The first n lanes (n = kLanes at all but the last step of a loop); the others are zero.
template <class T>
inline Vec load(const T* p, int64_t n) {
  return n == kLanes ? load(p) : load_part(p, n);
}
template <class T>
inline void store(T* p, Vec v, int64_t n) {
  if (n == kLanes) return store(p, v);
  store_part(p, v, n);
}

/// body(i, lanes) over [0, n) in whole vectors and one part.
template <class Body>
inline void for_each_vec(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, n - i);
}

/// The first n lanes; the others become zero.
inline Vec keep_first(Vec v, int64_t n) {
  if (n == kLanes) return v;
  float lanes[kLanes];
  store(lanes, v);
  return load_part(lanes, n);
}

/// The lanes in order, in f64.
inline double sum_lanes(Vec v) {
  float lanes[kLanes];
  store(lanes, v);
  double s = 0;
  for (float lane : lanes) s += double(lane);
  return s;
}

}  // namespace
}  // namespace dedit::kernels::DEDIT_ISA

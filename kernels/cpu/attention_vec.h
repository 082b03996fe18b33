// What attention.cpp needs beyond vec.h: powers of two, and the formats it computes
// in: f32, bf16 widened to f32, and bf16 pairs for the dot-product instruction.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "cpu/vec.h"

namespace dedit::kernels::DEDIT_ISA {
namespace {

#if defined(DEDIT_ISA_avx2)

constexpr int kMaxRows = 6;  // of a register tile: 12 sums, 2 operands, 1 broadcast of 16 registers

inline Vec zero() {
  return _mm256_setzero_ps();
}
/// a * b - c
inline Vec fms(Vec a, Vec b, Vec c) {
  return _mm256_fmsub_ps(a, b, c);
}
/// v where index >= bound, else `other`.
inline Vec where_at_least(Vec index, float bound, Vec v, Vec other) {
  return _mm256_blendv_ps(other, v, _mm256_cmp_ps(index, set1(bound), _CMP_GE_OQ));
}

/// 2^x for x <= 0, 0 from -inf to -127; c is a polynomial for 2^f, f in [0, 1).
template <int kTerms>
Vec exp2_of(Vec x, const float (&c)[kTerms]) {
  x = max(x, set1(-127));  // there the exponent field, and so the result, is 0
  const Vec whole = _mm256_floor_ps(x);
  const Vec f = x - whole;
  Vec p = set1(c[kTerms - 1]);
  for (int i = kTerms - 2; i >= 0; --i) p = fma(p, f, set1(c[i]));
  return scale_by_power(p, whole);
}

#else

constexpr int kMaxRows =
    14;  // of a register tile: 28 sums, 2 operands, 1 broadcast of 32 registers

inline Vec zero() {
  return _mm512_setzero_ps();
}
/// a * b - c
inline Vec fms(Vec a, Vec b, Vec c) {
  return _mm512_fmsub_ps(a, b, c);
}
/// v where index >= bound, else `other`.
inline Vec where_at_least(Vec index, float bound, Vec v, Vec other) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(index, set1(bound), _CMP_GE_OQ), other, v);
}

/// 2^x for x <= 0, 0 at -inf; c is a polynomial for 2^f, f in [0, 1).
template <int kTerms>
Vec exp2_of(Vec x, const float (&c)[kTerms]) {
  const Vec f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  Vec p = set1(c[kTerms - 1]);
  for (int i = kTerms - 2; i >= 0; --i) p = fma(p, f, set1(c[i]));
  return _mm512_scalef_ps(p, x);  // p * 2^floor(x)
}

#endif

/// min(n, kLanes) elements, zeros after them.
template <class T>
inline Vec load_up_to(const T* p, int64_t n) {
  return n >= kLanes ? load(p) : load_part(p, n);
}
template <class T>
inline void store_up_to(T* p, Vec v, int64_t n) {
  if (n >= kLanes) return store(p, v);
  store_part(p, v, n);
}

/// Elements T read as f32; products and probabilities in f32.
template <class T>
struct Widened {
  using Element = T;
  static constexpr int kPair = 1;  // elements in a 32-bit lane
  // 2^f on [0, 1), exact at 0, least relative error: 8.2e-8, 1.5e-7 with roundings.
  static constexpr float kExp2[] = {1.0f,           0.6931512952f,   0.2401644439f,
                                    0.05579991266f, 0.009017030708f, 0.00186713005f};
  /// n elements of a row, as many as there are lanes for.
  static Vec load_row(const T* p, int64_t n) { return load_up_to(p, n); }
  /// The elements of kPair neighbouring keys side by side, n or fewer of each.
  static Vec load_keys(const T* p, const T*, int64_t n) { return load_up_to(p, n); }
  static Vec probabilities(Vec p, Vec) { return p; }
  static Vec add(Vec p, Vec sum) { return p + sum; }
  static Vec multiply_add(Vec a, Vec b, Vec sum) { return fma(a, b, sum); }
};

#if defined(DEDIT_ISA_avx512_bf16) || defined(DEDIT_ISA_amx)
/// bf16 for the dot-product instruction: a lane holds two elements, the sums are f32.
struct Paired {
  using Element = uint16_t;
  static constexpr int kPair = 2;
  // 2^f on [0, 1), exact at 0, relative error 8.6e-5: far below bf16's rounding, 4e-3.
  static constexpr float kExp2[] = {1.0f, 0.6951167583f, 0.2276449949f, 0.07706703991f};

  static Vec load_row(const uint16_t* p, int64_t n) {
    const __mmask32 mask = n >= 32 ? ~__mmask32{0} : (__mmask32{1} << n) - 1;
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, p));
  }
  /// `odd` is null past the last key.
  static Vec load_keys(const uint16_t* even, const uint16_t* odd, int64_t n) {
    const __mmask16 mask = first(n < kLanes ? n : kLanes);
    const IntVec low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, even));
    if (!odd) return _mm512_castsi512_ps(low);
    const IntVec high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, odd));
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
  static Vec probabilities(Vec even, Vec odd) {
    // The even key's are words 0 to 15; lane i takes words i and 16 + i.
    const IntVec lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const IntVec interleave =
        _mm512_or_si512(lane, _mm512_slli_epi32(_mm512_add_epi32(lane, _mm512_set1_epi32(16)), 16));
    const IntVec words = reinterpret_cast<IntVec>(_mm512_cvtne2ps_pbh(odd, even));
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(interleave, words));
  }
  static Vec add(Vec p, Vec sum) {
    return multiply_add(_mm512_castsi512_ps(_mm512_set1_epi32(0x3f803f80)), p, sum);  // ones
  }
  static Vec multiply_add(Vec a, Vec b, Vec sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};
using BFloat16Format = Paired;
#else
using BFloat16Format = Widened<uint16_t>;
#endif

}  // namespace
}  // namespace dedit::kernels::DEDIT_ISA

// Vectors of 32-bit lanes for attention.cpp, and the formats it computes in: f32, bf16 widened to
// f32, and bf16 pairs for the dot-product instruction. Everything has internal linkage: the
// including file is compiled once per instruction-set level.
#pragma once

#include <cstdint>
#include <cstring>
#include <immintrin.h>

namespace dedit::kernels::DEDIT_ISA {
namespace {

#if defined(DEDIT_ISA_avx2)

using Vec = __m256;
constexpr int kLanes = 8;
constexpr int kMaxRows = 6;  // of a register tile: 12 sums, 2 operands, 1 broadcast of 16 registers

inline Vec zero() {
  return _mm256_setzero_ps();
}
inline Vec broadcast(float v) {
  return _mm256_set1_ps(v);
}
inline Vec load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v);
}
inline Vec mul(Vec a, Vec b) {
  return _mm256_mul_ps(a, b);
}
inline Vec div(Vec a, Vec b) {
  return _mm256_div_ps(a, b);
}
inline Vec max(Vec a, Vec b) {
  return _mm256_max_ps(a, b);
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline Vec fms(Vec a, Vec b, Vec c) {
  return _mm256_fmsub_ps(a, b, c);
}
/// v where index >= bound, else `other`.
inline Vec where_at_least(Vec index, float bound, Vec v, Vec other) {
  return _mm256_blendv_ps(other, v, _mm256_cmp_ps(index, broadcast(bound), _CMP_GE_OQ));
}

inline void transpose(Vec (&r)[kLanes]) {
  Vec a[kLanes], b[kLanes];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      b[4 * i + 2 * j] = _mm256_shuffle_ps(a[4 * i + j], a[4 * i + j + 2], 0x44);
      b[4 * i + 2 * j + 1] = _mm256_shuffle_ps(a[4 * i + j], a[4 * i + j + 2], 0xee);
    }
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
}

/// 2^x for x <= 0, -inf included; c is a polynomial for 2^f, f in [0, 1).
template <int kTerms>
Vec exp2_of(Vec x, const float (&c)[kTerms]) {
  x = max(x, broadcast(-127));  // exponent field 0: the result is 0
  const Vec whole = _mm256_floor_ps(x);
  const Vec f = _mm256_sub_ps(x, whole);
  Vec p = broadcast(c[kTerms - 1]);
  for (int i = kTerms - 2; i >= 0; --i) p = fma(p, f, broadcast(c[i]));
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
  return mul(p, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}

/// n elements, zeros after them.
inline Vec load_part(const float* p, int64_t n) {
  if (n >= kLanes) return load(p);
  float part[kLanes] = {};
  for (int i = 0; i < n; ++i) part[i] = p[i];
  return load(part);
}
inline void store_part(float* p, Vec v, int64_t n) {
  if (n >= kLanes) return store(p, v);
  float part[kLanes];
  store(part, v);
  for (int i = 0; i < n; ++i) p[i] = part[i];
}
inline Vec load_part(const uint16_t* p, int64_t n) {
  uint16_t part[kLanes] = {};
  if (n < kLanes) {
    for (int i = 0; i < n; ++i) part[i] = p[i];
    p = part;
  }
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
/// Rounds to nearest even.
inline void store_part(uint16_t* p, Vec v, int64_t n) {
  const __m256i u = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, odd), _mm256_set1_epi32(0x7fff)), 16);
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x08);
  uint16_t part[2 * kLanes];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(part), words);
  std::memcpy(p, part, (n < kLanes ? static_cast<size_t>(n) : kLanes) * sizeof(uint16_t));
}

#else

using Vec = __m512;
constexpr int kLanes = 16;
constexpr int kMaxRows =
    14;  // of a register tile: 28 sums, 2 operands, 1 broadcast of 32 registers

inline Vec zero() {
  return _mm512_setzero_ps();
}
inline Vec broadcast(float v) {
  return _mm512_set1_ps(v);
}
inline Vec load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm512_storeu_ps(p, v);
}
inline Vec mul(Vec a, Vec b) {
  return _mm512_mul_ps(a, b);
}
inline Vec div(Vec a, Vec b) {
  return _mm512_div_ps(a, b);
}
inline Vec max(Vec a, Vec b) {
  return _mm512_max_ps(a, b);
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline Vec fms(Vec a, Vec b, Vec c) {
  return _mm512_fmsub_ps(a, b, c);
}
/// v where index >= bound, else `other`.
inline Vec where_at_least(Vec index, float bound, Vec v, Vec other) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(index, broadcast(bound), _CMP_GE_OQ), other, v);
}

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
  for (int i = 0; i < 4; ++i) {  // quarters: a 4x4 transposition of 128-bit blocks
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

/// 2^x for x <= 0, -inf included; c is a polynomial for 2^f, f in [0, 1).
template <int kTerms>
Vec exp2_of(Vec x, const float (&c)[kTerms]) {
  const Vec f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  Vec p = broadcast(c[kTerms - 1]);
  for (int i = kTerms - 2; i >= 0; --i) p = fma(p, f, broadcast(c[i]));
  return _mm512_scalef_ps(p, x);  // p * 2^floor(x)
}

inline __mmask16 first_lanes(int64_t n) {
  return static_cast<__mmask16>(n >= kLanes ? 0xffff : (1 << n) - 1);
}
/// n elements, zeros after them.
inline Vec load_part(const float* p, int64_t n) {
  return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
inline void store_part(float* p, Vec v, int64_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), v);
}
inline __m512i load_words(const uint16_t* p, int64_t n) {
  return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}
inline Vec load_part(const uint16_t* p, int64_t n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(load_words(p, n), 16));
}
/// Rounds to nearest even.
inline void store_part(uint16_t* p, Vec v, int64_t n) {
  const __m512i u = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(u, odd), _mm512_set1_epi32(0x7fff));
  const __m256i words = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
  _mm256_mask_storeu_epi16(p, first_lanes(n), words);
}

#endif

/// Elements T read as f32; products and probabilities in f32.
template <class T>
struct Widened {
  using Element = T;
  static constexpr int kPair = 1;  // elements in a 32-bit lane
  // 2^f on [0, 1), the polynomial of least relative error: 7.5e-8.
  static constexpr float kExp2[] = {0.9999999251f,  0.6931530732f,  0.240153617f,
                                    0.05582631805f, 0.00898934009f, 0.001877576675f};
  /// n elements of a row.
  static Vec load_row(const T* p, int64_t n) { return load_part(p, n); }
  /// The elements of kPair neighbouring keys side by side: n each.
  static Vec load_keys(const T* p, const T*, int64_t n) { return load_part(p, n); }
  static Vec ones() { return broadcast(1); }
  static Vec probabilities(Vec p, Vec) { return p; }
  static Vec multiply_add(Vec a, Vec b, Vec sum) { return fma(a, b, sum); }
};

#if defined(DEDIT_ISA_avx512_bf16) || defined(DEDIT_ISA_amx)
/// bf16 with the dot-product instruction: a lane holds two elements, the sums are f32.
struct Paired {
  using Element = uint16_t;
  static constexpr int kPair = 2;
  // 2^f on [0, 1), relative error 7.5e-5: well below bf16's half unit of 2e-3.
  static constexpr float kExp2[] = {0.9999252186f, 0.6958335405f, 0.2260671554f, 0.07802452264f};

  static Vec load_row(const uint16_t* p, int64_t n) {
    const __mmask32 mask = n >= 32 ? ~__mmask32{0} : (__mmask32{1} << n) - 1;
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, p));
  }
  static Vec load_keys(const uint16_t* even, const uint16_t* odd, int64_t n) {
    const __m512i low = load_words(even, n);
    if (!odd) return _mm512_castsi512_ps(low);
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(load_words(odd, n), 16)));
  }
  static Vec ones() { return _mm512_castsi512_ps(_mm512_set1_epi32(0x3f803f80)); }
  static Vec probabilities(Vec even, Vec odd) {
    // Words 0 to 15 are the even key's; lane i takes words i and 16 + i.
    const __m512i interleave = _mm512_or_si512(
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
        _mm512_slli_epi32(
            _mm512_set_epi32(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16), 16));
    const __m512i words = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd, even));
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(interleave, words));
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

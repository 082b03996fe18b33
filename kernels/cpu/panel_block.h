// The register block of the products on panels: kBlockRows rows of x by two vectors of output
// channels, with every sum in a register.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "cpu/vec.h"

namespace dedit::kernels::DEDIT_ISA {
namespace {

#if defined(DEDIT_ISA_avx2)
constexpr int64_t kBlockRows = 6;
#else
constexpr int64_t kBlockRows = 14;
#endif
constexpr int64_t kPanel = 2 * kLanes;  // columns

/// Elements of x, of 32 bits each: a number, or a pair of bf16 for the dot product.
struct Single {
  using Element = float;
  static Vec broadcast(const float* p) { return set1(*p); }
  static Vec multiply_add(Vec a, Vec b, Vec sum) { return fma(a, b, sum); }
};

#if defined(DEDIT_ISA_avx512_bf16) || defined(DEDIT_ISA_amx)
struct Pair {
  using Element = uint32_t;
  static Vec broadcast(const uint32_t* p) {
    int32_t pair;
    std::memcpy(&pair, p, sizeof(pair));  // x may be aligned to 2 bytes only
    return _mm512_castsi512_ps(_mm512_set1_epi32(pair));
  }
  static Vec multiply_add(Vec a, Vec b, Vec sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};
#endif

/// One block; strides in elements. m has rows of m_row floats.
template <class F>
struct BlockArgs {
  const typename F::Element* x;
  int64_t x_row;
  const float* u;  // [count][kPanel]
  int64_t count;
  float* m;
  int64_t m_row;
  bool add;
};

template <class F, int rows>
void product_block(const BlockArgs<F>& a) {
  Vec sums[rows][2];
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
    const float* old = a.m + r * a.m_row;
    sums[r][0] = a.add ? load(old) : set1(0);
    sums[r][1] = a.add ? load(old + kLanes) : set1(0);
  }
  const typename F::Element* x = a.x;
  const int64_t x_row = a.x_row;
  for (int64_t k = 0; k < a.count; ++k) {
    const Vec u0 = load(a.u + k * kPanel), u1 = load(a.u + k * kPanel + kLanes);
#pragma GCC unroll 14
    for (int r = 0; r < rows; ++r) {
      const Vec value = F::broadcast(x + r * x_row + k);
      sums[r][0] = F::multiply_add(value, u0, sums[r][0]);
      sums[r][1] = F::multiply_add(value, u1, sums[r][1]);
    }
  }
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
    store(a.m + r * a.m_row, sums[r][0]);
    store(a.m + r * a.m_row + kLanes, sums[r][1]);
  }
}

template <class F, int... rows>
constexpr auto product_blocks(std::integer_sequence<int, rows...>) {
  return std::array<void (*)(const BlockArgs<F>&), sizeof...(rows)>{product_block<F, rows + 1>...};
}

/// The block of 1 to kBlockRows rows.
template <class F>
void multiply_block(int64_t rows, const BlockArgs<F>& a) {
  static constexpr auto kBlocks =
      product_blocks<F>(std::make_integer_sequence<int, int(kBlockRows)>{});
  kBlocks[size_t(rows - 1)](a);
}

/// body(first, rows) over near-equal blocks of at most kBlockRows rows.
template <class Body>
void for_row_blocks(int64_t rows, const Body& body) {
  const int64_t n_blocks = (rows + kBlockRows - 1) / kBlockRows;
  for (int64_t b = 0; b < n_blocks; ++b) {
    const int64_t first = rows * b / n_blocks;
    body(first, rows * (b + 1) / n_blocks - first);
  }
}

/// rows[i] = `lanes` elements from p[i], widened; then transposed: rows[k] is element k of every p.
template <class T>
void load_columns(const void* const* p, int64_t first, int64_t lanes, Vec (&rows)[kLanes]) {
  for (int64_t i = 0; i < kLanes; ++i) {
    rows[i] = p[i] ? load(static_cast<const T*>(p[i]) + first, lanes) : set1(0);
  }
  transpose(rows);
}

}  // namespace
}  // namespace dedit::kernels::DEDIT_ISA

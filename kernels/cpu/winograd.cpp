// Winograd F(4x4, 3x3): the three transforms and the products of one instruction-set level.
#include "cpu/winograd.h"

#include <algorithm>
#include <array>

#include "cpu/local.h"
#include "cpu/vec.h"

namespace dedit::kernels::DEDIT_ISA {
namespace {

// The finite points are 0, +-kP and +-kQ.
constexpr float kP = 0.625f, kQ = 1.5f;
constexpr float kP2 = kP * kP, kQ2 = kQ * kQ;

struct Four {
  Vec at[4];
};
struct Six {
  Vec at[6];
  Vec operator[](size_t i) const { return at[i]; }
  Vec& operator[](size_t i) { return at[i]; }
};

/// B' d: per row the coefficients of prod over the other points of (x - point); even and odd parts
/// are shared between +p and -p.
inline Six transform_input(const Six& d) {
  const Vec p = set1(kP), q = set1(kQ);
  const Vec even_p = fma(set1(-kQ2), d[2], d[4]), odd_p = fma(set1(-kQ2), d[1], d[3]);
  const Vec even_q = fma(set1(-kP2), d[2], d[4]), odd_q = fma(set1(-kP2), d[1], d[3]);
  const Vec sum = set1(-(kP2 + kQ2)), product = set1(kP2 * kQ2);
  return {fma(product, d[0], fma(sum, d[2], d[4])),
          fma(p, odd_p, even_p),
          fma(-p, odd_p, even_p),
          fma(q, odd_q, even_q),
          fma(-q, odd_q, even_q),
          fma(product, d[1], fma(sum, d[3], d[5]))};
}

/// G g: values of the kernel's polynomial at the points, over the products of differences.
inline Six transform_weights(Vec g0, Vec g1, Vec g2) {
  constexpr float n_p = 1 / (2 * kP2 * (kP2 - kQ2)), n_q = 1 / (2 * kQ2 * (kQ2 - kP2));
  const Vec even_p = set1(n_p) * fma(set1(kP2), g2, g0), odd_p = set1(n_p * kP) * g1;
  const Vec even_q = set1(n_q) * fma(set1(kQ2), g2, g0), odd_q = set1(n_q * kQ) * g1;
  return {set1(1 / (kP2 * kQ2)) * g0,
          even_p + odd_p,
          even_p - odd_p,
          even_q + odd_q,
          even_q - odd_q,
          g2};
}

/// A' m: the powers of the points.
inline Four transform_output(const Six& m) {
  const Vec sum_p = m[1] + m[2], difference_p = m[1] - m[2];
  const Vec sum_q = m[3] + m[4], difference_q = m[3] - m[4];
  return {m[0] + sum_p + sum_q, fma(set1(kP), difference_p, set1(kQ) * difference_q),
          fma(set1(kP2), sum_p, set1(kQ2) * sum_q),
          fma(set1(kP2 * kP), difference_p, fma(set1(kQ2 * kQ), difference_q, m[5]))};
}

// A register block of the products: kRows tiles by two vectors of output channels.
#if defined(DEDIT_ISA_avx2)
constexpr int64_t kRows = 6;
#else
constexpr int64_t kRows = 14;
#endif
constexpr int64_t kPanel = 2 * kLanes;  // columns

/// m [rows, panel] (+)= v [rows, count] u [count, panel]
template <int rows>
void product_block(const WinogradProductArgs& a, const float* v, const float* u, float* m) {
  Vec sums[rows][2];
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
    const float* old = m + r * kWinogradColumns;
    sums[r][0] = a.add ? load(old) : set1(0);
    sums[r][1] = a.add ? load(old + kLanes) : set1(0);
  }
  for (int64_t k = 0; k < a.count; ++k) {
    const Vec u0 = load(u + k * kPanel), u1 = load(u + k * kPanel + kLanes);
#pragma GCC unroll 14
    for (int r = 0; r < rows; ++r) {
      const Vec value = set1(v[r * a.count + k]);
      sums[r][0] = fma(value, u0, sums[r][0]);
      sums[r][1] = fma(value, u1, sums[r][1]);
    }
  }
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
    store(m + r * kWinogradColumns, sums[r][0]);
    store(m + r * kWinogradColumns + kLanes, sums[r][1]);
  }
}

using ProductBlock = void (*)(const WinogradProductArgs&, const float*, const float*, float*);
template <int... rows>
constexpr std::array<ProductBlock, sizeof...(rows)> product_blocks(
    std::integer_sequence<int, rows...>) {
  return {product_block<rows + 1>...};
}

}  // namespace

template <class T>
void winograd_input(const WinogradInputArgs& a) {
  const int64_t top = a.tile / a.plane.tiles_wide() * kWinogradTile - 1;
  const int64_t left = a.tile % a.plane.tiles_wide() * kWinogradTile - 1;
  const T* x = static_cast<const T*>(a.x);
  for_each_vec(a.count, [&](int64_t c, int64_t lanes) {
    Six columns[6];  // B' d, by column of d
    for (int64_t j = 0; j < 6; ++j) {
      Six d;
      for (int64_t i = 0; i < 6; ++i) {
        const int64_t row = top + i, column = left + j;
        const bool inside =
            row >= 0 && row < a.plane.height && column >= 0 && column < a.plane.width;
        d[size_t(i)] =
            inside ? load(x + (row * a.plane.width + column) * a.channels + c, lanes) : set1(0);
      }
      columns[j] = transform_input(d);
    }
    for (size_t i = 0; i < 6; ++i) {
      const Six row = transform_input({columns[0][i], columns[1][i], columns[2][i], columns[3][i],
                                       columns[4][i], columns[5][i]});
      for (size_t j = 0; j < 6; ++j) {
        store(a.v + int64_t(6 * i + j) * a.v_product + c, row[j], lanes);
      }
    }
  });
}

template <class T>
void winograd_weights(const WinogradWeightArgs& a) {
  for (int64_t c = 0; c < kWinogradColumns; c += kLanes) {
    for (int64_t k = 0; k < a.count; ++k) {
      const T* g = static_cast<const T*>(a.w) + k * 9 * kWinogradColumns + c;
      const auto tap = [&](int64_t i) { return load(g + i * kWinogradColumns); };
      Six columns[3];
      for (int64_t j = 0; j < 3; ++j) {
        columns[j] = transform_weights(tap(j), tap(3 + j), tap(6 + j));
      }
      float* u = a.u + (c / kPanel * a.count + k) * kPanel + c % kPanel;
      for (size_t i = 0; i < 6; ++i) {
        const Six row = transform_weights(columns[0][i], columns[1][i], columns[2][i]);
        for (size_t j = 0; j < 6; ++j) store(u + int64_t(6 * i + j) * a.u_product, row[j]);
      }
    }
  }
}

void winograd_products(const WinogradProductArgs& a) {
  static constexpr auto blocks = product_blocks(std::make_integer_sequence<int, int(kRows)>{});
  const int64_t n_blocks = (a.tiles + kRows - 1) / kRows;
  for (int64_t p = 0; p < kWinogradProducts; ++p) {
    for (int64_t c = 0; c < kWinogradColumns; c += kPanel) {
      const float* u = a.u + p * a.u_product + c * a.count;
      for (int64_t b = 0; b < n_blocks; ++b) {  // of nearly equal height
        const int64_t first = a.tiles * b / n_blocks, end = a.tiles * (b + 1) / n_blocks;
        blocks[size_t(end - first - 1)](a, a.v + p * a.v_product + first * a.count, u,
                                        a.m + p * a.m_product + first * kWinogradColumns + c);
      }
    }
  }
}

void winograd_output(const WinogradOutputArgs& a) {
  for (int64_t c = 0; c < kWinogradColumns; c += kLanes) {
    Four columns[6];
    for (int64_t j = 0; j < 6; ++j) {
      Six m;
      for (int64_t i = 0; i < 6; ++i) m[size_t(i)] = load(a.m + (6 * i + j) * a.m_product + c);
      columns[j] = transform_output(m);
    }
    for (size_t i = 0; i < 4; ++i) {
      const Four row = transform_output({columns[0].at[i], columns[1].at[i], columns[2].at[i],
                                         columns[3].at[i], columns[4].at[i], columns[5].at[i]});
      for (size_t j = 0; j < 4; ++j) {
        store(a.acc + int64_t(4 * i + j) * kWinogradColumns + c, row.at[j]);
      }
    }
  }
}

template void winograd_input<float>(const WinogradInputArgs&);
template void winograd_input<uint16_t>(const WinogradInputArgs&);
template void winograd_weights<float>(const WinogradWeightArgs&);
template void winograd_weights<uint16_t>(const WinogradWeightArgs&);

}  // namespace dedit::kernels::DEDIT_ISA

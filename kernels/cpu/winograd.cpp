// Winograd F(4x4, 3x3): the three transforms.
#include "cpu/winograd.h"

#include "cpu/local.h"
#include "cpu/panel_block.h"
#include "cpu/vec_math.h"

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

/// The 36 pixels of a tile at its first channel; null outside the picture.
template <class T>
struct Pixels {
  const T* at[kWinogradProducts];

  explicit Pixels(const WinogradInputArgs& a) {
    const int64_t top = a.tile / a.plane.tiles_wide() * kWinogradTile - 1;
    const int64_t left = a.tile % a.plane.tiles_wide() * kWinogradTile - 1;
    const int halved = a.is_doubled ? 1 : 0;
    for (int64_t i = 0; i < kWinogradProducts; ++i) {
      const int64_t row = top + i / 6, column = left + i % 6;
      const bool inside = row >= 0 && row < a.plane.height && column >= 0 && column < a.plane.width;
      const int64_t pixel = (row >> halved) * (a.plane.width >> halved) + (column >> halved);
      at[i] = inside ? static_cast<const T*>(a.x) + pixel * a.channels : nullptr;
    }
  }
};

/// v = B' d B, where pixel(p, channel, lanes) gives d.
template <class Pixel>
void transform_tile(const WinogradInputArgs& a, int64_t c, int64_t lanes, const Pixel& pixel) {
  Six columns[6];  // B' d, by column of d
  for (size_t j = 0; j < 6; ++j) {
    Six d;
    for (size_t i = 0; i < 6; ++i) d[i] = pixel(6 * i + j);
    columns[j] = transform_input(d);
  }
  for (size_t i = 0; i < 6; ++i) {
    const Six row = transform_input(
        {columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i]});
    for (size_t j = 0; j < 6; ++j) {
      store(a.v + int64_t(6 * i + j) * a.v_product + c, row[j], lanes);
    }
  }
}

}  // namespace

template <class T>
void winograd_input(const WinogradInputArgs& a) {
  const Pixels<T> pixels(a);
  if (!a.mean) {
    for_each_vec(a.count, [&](int64_t c, int64_t lanes) {
      transform_tile(a, c, lanes, [&](size_t p) {
        return pixels.at[p] ? load(pixels.at[p] + c, lanes) : set1(0);
      });
    });
    return;
  }
  with_activation(a.activation, [&](auto kind) {
    for_each_vec(a.count, [&](int64_t c, int64_t lanes) {
      const Vec mean = load(a.mean + c, lanes), scale = load(a.scale + c, lanes);
      const Vec shift = load(a.shift + c, lanes);
      transform_tile(a, c, lanes, [&](size_t p) {
        if (!pixels.at[p]) return set1(0);
        const Vec normed = fma(load(pixels.at[p] + c, lanes) - mean, scale, shift);
        return activate<decltype(kind)::value>(normed);
      });
    });
  });
}

template <class T>
void winograd_weights(const WinogradWeightArgs& a) {
  float g[9 * kLanes * kLanes];  // a vector of output channels for each tap of kLanes channels
  for (int64_t c = 0; c < kPanelColumns; c += kLanes) {
    for_each_vec(a.count, [&](int64_t first, int64_t channels) {
      for_each_vec(9 * channels, [&](int64_t i, int64_t n) {
        Vec rows[kLanes];
        load_columns<T>(a.rows->row + c, 9 * (a.first + first) + i, n, rows);
        for (int64_t j = 0; j < n; ++j) store(g + (i + j) * kLanes, rows[j]);
      });
      for (int64_t k = 0; k < channels; ++k) {
        const auto tap = [&](int64_t i) { return load(g + (9 * k + i) * kLanes); };
        Six columns[3];
        for (int64_t j = 0; j < 3; ++j) {
          columns[j] = transform_weights(tap(j), tap(3 + j), tap(6 + j));
        }
        float* u = a.u + (c / kPanel * a.count + first + k) * kPanel + c % kPanel;
        for (size_t i = 0; i < 6; ++i) {
          const Six row = transform_weights(columns[0][i], columns[1][i], columns[2][i]);
          for (size_t j = 0; j < 6; ++j) store(u + int64_t(6 * i + j) * a.u_product, row[j]);
        }
      }
    });
  }
}

namespace {

/// A' m A of one tile and one vector of channels.
inline void transform_products(const float* m, int64_t m_product, Four (&rows)[4]) {
  Four columns[6];
  for (int64_t j = 0; j < 6; ++j) {
    Six d;
    for (int64_t i = 0; i < 6; ++i) d[size_t(i)] = load(m + (6 * i + j) * m_product);
    columns[j] = transform_output(d);
  }
  for (size_t i = 0; i < 4; ++i) {
    rows[i] = transform_output({columns[0].at[i], columns[1].at[i], columns[2].at[i],
                                columns[3].at[i], columns[4].at[i], columns[5].at[i]});
  }
}

/// Whole lines are written past the caches; otherwise each would first be read.
template <bool streams, class T>
inline void put(T* p, Vec v, int64_t n) {
#if !defined(DEDIT_ISA_avx2)
  if constexpr (streams && sizeof(T) == sizeof(float)) return _mm512_stream_ps(p, v);
#endif
  store(p, v, n);
}

template <class T, Activation kind, bool streams>
void finish_tile(const WinogradOutputArgs& a, int64_t tile, const float* m) {
  const int64_t top = tile / a.plane.tiles_wide() * kWinogradTile;
  const int64_t left = tile % a.plane.tiles_wide() * kWinogradTile;
  const int64_t height =
      a.plane.height - top < kWinogradTile ? a.plane.height - top : kWinogradTile;
  const int64_t width = a.plane.width - left < kWinogradTile ? a.plane.width - left : kWinogradTile;
  const int64_t first = (top * a.plane.width + left) * a.channels;
  for_each_vec(a.count, [&](int64_t c, int64_t n) {
    Four rows[4];
    transform_products(m + c, a.m_product, rows);
    Vec bias = load(a.bias + c);
    if (a.row_bias) bias += load(a.row_bias + c, n);
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        const int64_t at = first + (i * a.plane.width + j) * a.channels + c;
        Vec v = activate<kind>(rows[i].at[j] + bias);
        if (a.residual) v += load(static_cast<const T*>(a.residual) + at, n);
        put<streams>(static_cast<T*>(a.y) + at, v, n);
      }
    }
  });
}

}  // namespace

template <class T>
void winograd_output(const WinogradOutputArgs& a) {
  // Streaming needs whole, aligned vectors.
  const bool streams = a.streams && a.channels % kLanes == 0 && a.count % kLanes == 0 &&
                       reinterpret_cast<uintptr_t>(a.y) % 64 == 0;
  with_activation(a.activation, [&](auto kind) {
    constexpr Activation kKind = decltype(kind)::value;
    for (int64_t t = 0; t < a.tiles; ++t) {
      const float* m = a.m + t * kPanelColumns;
      streams ? finish_tile<T, kKind, true>(a, a.first_tile + t, m)
              : finish_tile<T, kKind, false>(a, a.first_tile + t, m);
    }
  });
  if (streams) _mm_sfence();
}

template void winograd_input<float>(const WinogradInputArgs&);
template void winograd_input<uint16_t>(const WinogradInputArgs&);
template void winograd_output<float>(const WinogradOutputArgs&);
template void winograd_output<uint16_t>(const WinogradOutputArgs&);
template void winograd_weights<float>(const WinogradWeightArgs&);
template void winograd_weights<uint16_t>(const WinogradWeightArgs&);
template void winograd_weights<Half>(const WinogradWeightArgs&);

}  // namespace dedit::kernels::DEDIT_ISA

// How the kernel for 9.0a stores its sums: from wgmma's fragments (wgmma.h), eight columns at a
// time, whose count is a multiple of 8 there.
#pragma once

#include <bit>

#include "cuda/product_epilogue.h"
#include "cuda/product_sm90.h"

namespace dedit::cuda::sm90 {

/// Of the sums of 32 columns that four threads have, 8 neighbours: of the row that is `half`.
__device__ inline void eight_of(const float* d, int half, float (&v)[8]) {
  float pairs[4][2];

  DEDIT_UNROLL
  for (int i = 0; i < 4; ++i) {
    DEDIT_UNROLL
    for (int j = 0; j < 2; ++j) pairs[i][j] = d[i * 4 + half * 2 + j];
  }
  gather_quad(pairs, v);
}

__device__ inline void add_constants(float (&v)[8], const float* p) {
  DEDIT_UNROLL
  for (int i = 0; i < 8; i += 4) {
    const auto part = *reinterpret_cast<const Vec<float, 4>*>(p + i);
    DEDIT_UNROLL
    for (int j = 0; j < 4; ++j) v[i + j] += part.v[j];
  }
}

template <class T>
__device__ void store_wide(T* p, const float (&v)[8]) {
  Vec<T, 8> out;
  DEDIT_UNROLL
  for (int i = 0; i < 8; ++i) out.v[i] = from_float<T>(v[i]);
  *reinterpret_cast<Vec<T, 8>*>(p) = out;
}

__device__ inline void store_wide(float* p, const float (&v)[8]) {
  DEDIT_UNROLL
  for (int i = 0; i < 8; i += 4) {
    *reinterpret_cast<Vec<float, 4>*>(p + i) = {v[i], v[i + 1], v[i + 2], v[i + 3]};
  }
}

/// The two rows of y that a thread finishes, eight columns of every 32 from `column` on; row -1 is
/// outside.
struct Place {
  int rows[2];
  int column;
};

__device__ inline Place place_of(const Sm90Layout& l, const Sm90Item& item, int group, int column) {
  const int warp = int(threadIdx.x) / 32 % 4, lane = int(threadIdx.x) % 32;
  const int row = group * 64 + warp * 16 + lane / 4;
  return {{output_row(l, item, row), output_row(l, item, row + 8)}, column + lane % 4 * 8};
}

/// Stores a part of the sums for finish_split().
template <class T, int kSums>
__device__ void store_parts(const Epilogue<T>& e, float* partial, const Place& place, int part,
                            const float (&d)[kSums]) {
  float* to = partial + int64_t(part) * e.rows * e.sums;
  DEDIT_UNROLL
  for (int i = 0; i < kSums / 16; ++i) {
    const int column = place.column + i * 32;
    DEDIT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = place.rows[half];
      float v[8];
      eight_of(d + i * 16, half, v);
      if (row >= 0 && column < e.sums) store_wide(to + int64_t(row) * e.sums + column, v);
    }
  }
}

/// Eight elements of 16 bits in four registers: as a Vec each would take one of its own.
using Packed = Vec<uint32_t, 4>;

template <class T>
__device__ float element_of(const Packed& p, int i) {
  return to_float(T{uint16_t(p.v[i / 2] >> i % 2 * 16)});
}

template <class T>
__device__ Packed residual_at(const Epilogue<T>& e, int row, int column) {
  if (!e.residual || row < 0 || column >= e.columns) return {};
  const T* p = e.residual + int64_t(row) * e.columns + column;
  return std::bit_cast<Packed>(*reinterpret_cast<const Vec<T, 8>*>(p));
}

/// Where the row bias of a row begins, looked up once a row since it takes a division.
template <class T>
__device__ int row_bias_at(const Epilogue<T>& e, int row) {
  return e.row_bias && row >= 0 ? row / e.rows_per_image * e.row_bias_step : 0;
}

/// Stores finished elements of y. Residuals are loaded ahead of the stores before theirs, which
/// they may not be moved over.
template <class T, bool kActivated, int kSums>
__device__ void store_sums(const Epilogue<T>& e, const Place& place, const float (&d)[kSums]) {
  constexpr int kEights = kSums / 16;
  int row_bias[2];
  Packed residual[2][2];
  DEDIT_UNROLL
  for (int half = 0; half < 2; ++half) {
    row_bias[half] = row_bias_at(e, place.rows[half]);
    residual[0][half] = residual_at(e, place.rows[half], place.column);
  }
  DEDIT_UNROLL
  for (int i = 0; i < kEights; ++i) {
    const int column = place.column + i * 32;
    DEDIT_UNROLL
    for (int half = 0; half < 2 && i + 1 < kEights; ++half) {
      residual[(i + 1) % 2][half] = residual_at(e, place.rows[half], column + 32);
    }
    DEDIT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = place.rows[half];
      float v[8];
      eight_of(d + i * 16, half, v);
      if (row < 0 || column >= e.columns) continue;
      if (e.bias) add_constants(v, e.bias + column);
      if (e.row_bias) add_constants(v, e.row_bias + row_bias[half] + column);
      DEDIT_UNROLL
      for (int j = 0; j < 8; ++j) {
        if constexpr (kActivated) v[j] = activate(v[j], e.activation);
        v[j] += element_of<T>(residual[i % 2][half], j);
      }
      store_wide(e.y + int64_t(row) * e.columns + column, v);
    }
  }
}

/// The same with GEGLU: the second half of d are the gates of the first.
template <class T, int kSums>
__device__ void store_geglu(const Epilogue<T>& e, const Place& place, const float (&d)[kSums]) {
  DEDIT_UNROLL
  for (int i = 0; i < kSums / 32; ++i) {
    const int column = place.column + i * 32;
    DEDIT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = place.rows[half];
      float v[8], gate[8];
      eight_of(d + i * 16, half, v);
      eight_of(d + kSums / 2 + i * 16, half, gate);
      if (row < 0 || column >= e.columns) continue;
      if (e.bias) {
        add_constants(v, e.bias + column);
        add_constants(gate, e.bias + e.columns + column);
      }
      DEDIT_UNROLL
      for (int j = 0; j < 8; ++j) v[j] *= gelu(gate[j]);
      store_wide(e.y + int64_t(row) * e.columns + column, v);
    }
  }
}

}  // namespace dedit::cuda::sm90

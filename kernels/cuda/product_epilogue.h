// What follows the sums of a product, shared by all its kernels: biases, activation, residual and
// the store, eight columns of a row at a time; how the lanes of a tensor core's fragment come to
// hold eight columns; and the second pass of a product whose sum is split.
#pragma once

#include "cuda/math.h"
#include "cuda/product.h"
#include "cuda/types.h"

namespace dedit::cuda {

/// ProductArgs as the kernels take them.
template <class T>
struct Epilogue {
  const float* bias;
  const float* row_bias;
  int row_bias_step;
  int rows, rows_per_image;
  int sums;     ///< columns of the product
  int columns;  ///< of y: sums, or half of them with GEGLU
  Activation activation;
  const T* residual;
  T* y;
};

template <class T>
Epilogue<T> epilogue_of(const ProductArgs& a) {
  const int64_t pixels = a.out_height * a.out_width;
  return {.bias = a.bias,
          .row_bias = a.row_bias,
          .row_bias_step = int(a.row_bias_step),
          .rows = int(a.batch * pixels),
          .rows_per_image = int(pixels),
          .sums = int(a.out),
          .columns = int(a.geglu ? a.out / 2 : a.out),
          .activation = a.activation,
          .residual = static_cast<const T*>(a.residual),
          .y = static_cast<T*>(a.y)};
}

/// Eight neighbours of a row, as they are stored.
template <class T>
struct Eight {
  Vec<T, kWide<T>> parts[8 / kWide<T>];
};

template <class V>
DEDIT_HOST_DEVICE V load_constant(const V* p) {
#ifdef __CUDA_ARCH__
  static_assert(sizeof(V) == 16);
  const uint4 bits = __ldg(reinterpret_cast<const uint4*>(p));
  return reinterpret_cast<const V&>(bits);
#else
  return *p;
#endif
}

/// p[0, 8). `wide`: all of them exist and p is a multiple of 16; else the first n do, and the
/// others are 0. `constant`: the kernel does not write there.
template <class T>
DEDIT_HOST_DEVICE Eight<T> load_eight(const T* p, int n, bool wide, bool constant = false) {
  Eight<T> v = {};
  for (int i = 0; i < 8 / kWide<T>; ++i) {
    const T* part = p + i * kWide<T>;
    if (wide) {
      const auto* whole = reinterpret_cast<const Vec<T, kWide<T>>*>(part);
      v.parts[i] = constant ? load_constant(whole) : *whole;
    } else {
      for (int j = 0; j < kWide<T>; ++j) {
        if (i * kWide<T> + j < n) v.parts[i].v[j] = part[j];
      }
    }
  }
  return v;
}

template <class T>
DEDIT_HOST_DEVICE void add_eight(float (&sum)[8], const Eight<T>& v) {
  for (int i = 0; i < 8; ++i) sum[i] += to_float(v.parts[i / kWide<T>].v[i % kWide<T>]);
}

/// p[0, 8) = v, or its first n, likewise.
template <class T>
DEDIT_HOST_DEVICE void store_eight(T* p, const float (&v)[8], int n, bool wide) {
  for (int i = 0; i < 8 / kWide<T>; ++i) {
    Vec<T, kWide<T>> part;
    for (int j = 0; j < kWide<T>; ++j) part.v[j] = from_float<T>(v[i * kWide<T> + j]);
    if (wide) {
      *reinterpret_cast<Vec<T, kWide<T>>*>(p + i * kWide<T>) = part;
    } else {
      for (int j = 0; j < kWide<T>; ++j) {
        if (i * kWide<T> + j < n) p[i * kWide<T> + j] = part.v[j];
      }
    }
  }
}

/// Whether rows of y may be handled 16 bytes at a time: what the functions below take as `wide`.
template <class T>
DEDIT_HOST_DEVICE bool wide_rows(const Epilogue<T>& e) {
  return e.columns % 8 == 0;
}

/// The residual of columns [column, column + 8) of a row: loaded apart, ahead of the stores of
/// other rows, which the compiler must not move it over since y may be the residual.
template <class T>
DEDIT_HOST_DEVICE Eight<T> load_residual(const Epilogue<T>& e, int row, int column, bool wide) {
  if (!e.residual || row >= e.rows || column >= e.columns) return {};
  return load_eight(e.residual + int64_t(row) * e.columns + column, e.columns - column, wide);
}

/// The bias of columns [column, column + 8), the same for all rows.
template <class T>
DEDIT_HOST_DEVICE Eight<float> load_bias(const Epilogue<T>& e, int column, bool wide) {
  if (!e.bias || column >= e.columns) return {};
  return load_eight(e.bias + column, e.columns - column, wide, true);
}

/// Finishes and stores columns [column, column + 8) of a row; nothing outside of y. Not for GEGLU;
/// without kActivated for no activation only.
template <class T, bool kActivated = true>
DEDIT_HOST_DEVICE void finish_eight(const Epilogue<T>& e, int row, int column, float (&v)[8],
                                    const Eight<float>& bias, const Eight<T>& residual, bool wide) {
  if (row >= e.rows || column >= e.columns) return;
  add_eight(v, bias);
  if (e.row_bias) {
    const float* of_image = e.row_bias + int64_t(row / e.rows_per_image) * e.row_bias_step;
    add_eight(v, load_eight(of_image + column, e.columns - column, wide, true));
  }
  if constexpr (kActivated) {
    for (float& x : v) x = activate(x, e.activation);
  }
  add_eight(v, residual);
  store_eight(e.y + int64_t(row) * e.columns + column, v, e.columns - column, wide);
}

/// What GEGLU adds to value and gate of column `column` of y; any column.
struct GegluBias {
  float value, gate;
};

template <class T>
DEDIT_HOST_DEVICE GegluBias load_geglu_bias(const Epilogue<T>& e, int column) {
  if (!e.bias || column >= e.columns) return {0, 0};
  return {e.bias[column], e.bias[e.columns + column]};
}

DEDIT_HOST_DEVICE inline float finish_geglu(const GegluBias& bias, float value, float gate) {
  return (value + bias.value) * gelu(gate + bias.gate);
}

/// Of four matrices of 8 columns, lane t of each quad holds columns 2t and 2t + 1 of one row (as in
/// the accumulators of mma and wgmma); afterwards it holds all 8 columns of matrix t in v. All
/// lanes call together.
__device__ inline void gather_quad(const float (&pairs)[4][2], float (&v)[8]) {
  const bool odd = threadIdx.x % 2 != 0, high = threadIdx.x % 4 / 2 != 0;
  float half[2][4];  // of matrices 2i + odd: the columns of lanes t & 2 and t | 1
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const float even_one = pairs[2 * i][j], odd_one = pairs[2 * i + 1][j];
      const float other = __shfl_xor_sync(0xffffffffu, odd ? even_one : odd_one, 1);
      half[i][j] = odd ? other : even_one;
      half[i][2 + j] = odd ? odd_one : other;
    }
  }
  for (int j = 0; j < 4; ++j) {
    const float other = __shfl_xor_sync(0xffffffffu, high ? half[0][j] : half[1][j], 2);
    v[j] = high ? other : half[0][j];
    v[4 + j] = high ? half[1][j] : other;
  }
}

/// Partial sums of a split product in the workspace: [split][rows][sums] f32.
inline size_t split_bytes(int64_t rows, int64_t sums, int split) {
  return split > 1 ? size_t(split * rows * sums) * sizeof(float) : 0;
}

/// Stores columns [column, column + 8) of a row of part `part`.
template <class T>
DEDIT_HOST_DEVICE void store_partial(const Epilogue<T>& e, float* partial, int part, int row,
                                     int column, const float (&v)[8], bool wide) {
  if (row >= e.rows || column >= e.sums) return;
  store_eight(partial + (int64_t(part) * e.rows + row) * e.sums + column, v, e.sums - column, wide);
}

/// The second pass: sums the parts in order and does what `args` says follows (GEGLU too).
void finish_split(Stream stream, const ProductArgs& args, const float* partial, int split);

}  // namespace dedit::cuda

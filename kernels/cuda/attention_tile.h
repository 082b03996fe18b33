// What one warp of the narrow attention kernel does: 16 or 32 queries, whose products with 32 keys,
// weights and output stay in its registers. Fragments: mma.h.
#pragma once

#include "cuda/attention_task.h"

namespace dedit::cuda::flash {

/// kRowTiles tiles of 16 queries a warp; kRowWarps warps beside each other in the queries, and
/// kKeyWarps sets of them that take 32 keys in turn; at least kBlocks blocks a multiprocessor.
template <class T_, int kDims_, int kRowTiles_, int kRowWarps_, int kKeyWarps_, int kBlocks_,
          bool kExact_>
struct Shape {
  using T = T_;
  static constexpr int kDims = kDims_, kRowTiles = kRowTiles_, kRowWarps = kRowWarps_;
  static constexpr int kKeyWarps = kKeyWarps_, kBlocks = kBlocks_;
  static constexpr bool kExact = kExact_;
  static constexpr int kThreads = 32 * kRowWarps * kKeyWarps;
  static constexpr int kRows = 16 * kRowTiles * kRowWarps;
  static constexpr bool kMayBeCausal = kRows < 128;  ///< large blocks keep fewer values
  static constexpr int kPieces = kDims / 8;  ///< of a row; also the output's tiles of 8 columns
  static constexpr int kSteps = kDims / 16;  ///< of depth 16 in q k; then one of 8 if kHalfStep
  static constexpr bool kHalfStep = kDims % 16 != 0;
  static constexpr int kTilePieces = kTileKeys * kPieces;
  static constexpr int kStages = 2;
  /// Floats that a warp of a further set leaves for the first: output, tops and sums.
  static constexpr int kStateFloats = 32 * kRowTiles * (kPieces * 4 + 4);
  static constexpr size_t kSharedBytes =
      std::max(size_t(kStages) * 2 * kTilePieces * sizeof(Piece),
               size_t(kKeyWarps - 1) * kRowWarps * kStateFloats * sizeof(float));
  /// Of 8 weights so many are polynomials: the units of ex2 take 8 cycles a warp and quarter of a
  /// multiprocessor, as long as the products of 40 columns do, so that some of their work is better
  /// done by the multipliers. With more columns products take longer than all of ex2.
  static constexpr int kPolynomials = kDims <= 40 ? 1 : 0;
};

/// Fragments of q as the left matrix.
template <class S>
struct Queries {
  uint32_t step[S::kRowTiles][S::kSteps][4];
  uint32_t half_step[S::kRowTiles][2];
};

/// Of the rows group + 8 r of each tile, as fragments: weights times values, the reference, and
/// this lane's part of the weights' sum.
template <class S>
struct State {
  float y[S::kRowTiles][S::kPieces][4];
  float top[S::kRowTiles][2];
  float sum[S::kRowTiles][2];
};

template <class S, int kKeys>
using Scores = float[S::kRowTiles][kKeys / 8][4];

__device__ inline int lane_index() {
  return int(threadIdx.x) % 32;
}

template <class S>
__device__ __forceinline__ void clear(State<S>& state) {
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int n = 0; n < S::kPieces; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) state.y[m][n][i] = 0;
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      state.top[m][r] = kLowestTop;
      state.sum[m][r] = 0;
    }
  }
}

template <class S>
__device__ __forceinline__ uint32_t read_pair(const Rows<const typename S::T>& from, int row,
                                              int column) {
  using T = typename S::T;
  if (row >= from.rows) return 0;
  const T* at = from.row(row) + column;
  if (S::kExact) return std::bit_cast<uint32_t>(*reinterpret_cast<const Vec<T, 2>*>(at));
  const uint32_t low = column < from.columns ? at[0].bits : 0;
  const uint32_t high = column + 1 < from.columns ? at[1].bits : 0;
  return low | high << 16;
}

/// Rows from `first` on; zeros outside of the matrix.
template <class S>
__device__ __forceinline__ void load_queries(Queries<S>& q, const Rows<const typename S::T>& from,
                                             int first) {
  const int group = lane_index() / 4, column = lane_index() % 4 * 2;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
    const int row = first + m * 16 + group;
#pragma unroll
    for (int step = 0; step < S::kSteps; ++step) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        q.step[m][step][i] = read_pair<S>(from, row + i % 2 * 8, step * 16 + i / 2 * 8 + column);
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      q.half_step[m][i] =
          S::kHalfStep ? read_pair<S>(from, row + i * 8, S::kSteps * 16 + column) : 0;
    }
  }
}

/// s = q k^T for the first kKeys (16 or 32) keys at `keys`.
template <class S, int kKeys>
__device__ __forceinline__ void multiply_keys(const Queries<S>& q, const Piece* keys,
                                              Scores<S, kKeys>& s) {
  using T = typename S::T;
  const int lane = lane_index();
  const int place = swizzled<S::kPieces>(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) s[m][n][0] = s[m][n][1] = s[m][n][2] = s[m][n][3] = 0;
  }
#pragma unroll
  for (int step = 0; step < S::kSteps; ++step) {
#pragma unroll
    for (int half = 0; half < kKeys / 16; ++half) {
      uint32_t k[4];  // of 8 keys, depth 2 x 8, then of the next 8
      load_matrices(k, keys + half * 16 * S::kPieces + moved<S::kPieces>(place, step * 2));
#pragma unroll
      for (int m = 0; m < S::kRowTiles; ++m) {
        mma_16x8x16<T>(s[m][half * 2], q.step[m][step], {k[0], k[1]});
        mma_16x8x16<T>(s[m][half * 2 + 1], q.step[m][step], {k[2], k[3]});
      }
    }
  }
  if constexpr (S::kHalfStep) {
    uint32_t k[4];  // of 4 x 8 keys, depth 8
    load_matrices(k, keys + swizzled<S::kPieces>(lane, S::kPieces - 1));
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int m = 0; m < S::kRowTiles; ++m) mma_16x8x8<T>(s[m][n], q.half_step[m], k[n]);
    }
  }
}

/// Scores of keys that a row does not see become -infinity. The first key and row are given.
template <class S, int kKeys>
__device__ __forceinline__ void mask(Scores<S, kKeys>& s, int key, int row, int end, bool causal) {
  const int group = lane_index() / 4, column = lane_index() % 4 * 2;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int seen = seen_keys(row + m * 16 + r * 8 + group, end, causal) - key - column;
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
        if (n * 8 >= seen) s[m][n][2 * r] = -INFINITY;
        if (n * 8 + 1 >= seen) s[m][n][2 * r + 1] = -INFINITY;
      }
    }
  }
}

/// Sets the references anew where a score needs it. Lanes look at their own scores only, unless one
/// finds such a score.
template <class S, int kKeys>
__device__ __forceinline__ void raise_tops(State<S>& state, const Scores<S, kKeys>& s,
                                           float to_log2) {
  float largest[S::kRowTiles][2];
  bool high = false;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float top = fmaxf(s[m][0][2 * r], s[m][0][2 * r + 1]);
#pragma unroll
      for (int n = 1; n < kKeys / 8; ++n) {
        top = fmaxf(top, fmaxf(s[m][n][2 * r], s[m][n][2 * r + 1]));
      }
      largest[m][r] = top;
      high |= top * to_log2 - state.top[m][r] > kSlack;
    }
  }
  if (!__any_sync(0xffffffffu, high)) return;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float top = largest[m][r];
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
      const float raised = fmaxf(state.top[m][r], top * to_log2);
      const float factor = rescale(state.top[m][r], raised);
      state.top[m][r] = raised;
      state.sum[m][r] *= factor;
#pragma unroll
      for (int n = 0; n < S::kPieces; ++n) {
        state.y[m][n][2 * r] *= factor;
        state.y[m][n][2 * r + 1] *= factor;
      }
    }
  }
}

/// The weights of 16 keys (two of the scores' tiles) as fragments of the left matrix, and into the
/// sums.
template <class S, int kKeys>
__device__ __forceinline__ void weigh(State<S>& state, const Scores<S, kKeys>& s, int half,
                                      float to_log2, uint32_t (&weights)[S::kRowTiles][4]) {
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {  // row i % 2, tile i / 2
      float w[2];
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const float score = s[m][half * 2 + i / 2][i % 2 * 2 + j];
        const float x = score * to_log2 - state.top[m][i % 2];
        const bool polynomial = 2 * i + j >= 8 - S::kPolynomials;
        w[j] = polynomial ? polynomial_exp2(x) : fast_exp2(x);
        state.sum[m][i % 2] += w[j];
      }
      weights[m][i] = pack<typename S::T>(w[0], w[1]);
    }
  }
}

/// y += weights v for the first kKeys (16 or 32) keys, whose values are at `values`.
template <class S, int kKeys>
__device__ __forceinline__ void add_values(State<S>& state, const Scores<S, kKeys>& s,
                                           const Piece* values, float to_log2) {
  using T = typename S::T;
  constexpr bool kOdd = S::kPieces % 2 != 0;
  const int lane = lane_index(), place = swizzled<S::kPieces>(lane % 16, lane / 16);
  uint32_t last[4];  // 4 x 8 keys of the last 8 columns, if columns come by 16 else
  if constexpr (kOdd) {
    load_matrices_transposed(last, values + swizzled<S::kPieces>(lane, S::kPieces - 1));
  }
#pragma unroll
  for (int half = 0; half < kKeys / 16; ++half) {
    uint32_t weights[S::kRowTiles][4];
    weigh<S, kKeys>(state, s, half, to_log2, weights);
#pragma unroll
    for (int n = 0; n + 1 < S::kPieces; n += 2) {
      uint32_t v[4];  // of 2 x 8 keys, 8 columns, then the next 8
      load_matrices_transposed(v, values + half * 16 * S::kPieces + moved<S::kPieces>(place, n));
#pragma unroll
      for (int m = 0; m < S::kRowTiles; ++m) {
        mma_16x8x16<T>(state.y[m][n], weights[m], {v[0], v[1]});
        mma_16x8x16<T>(state.y[m][n + 1], weights[m], {v[2], v[3]});
      }
    }
    if constexpr (kOdd) {
#pragma unroll
      for (int m = 0; m < S::kRowTiles; ++m) {
        mma_16x8x16<T>(state.y[m][S::kPieces - 1], weights[m],
                       {last[2 * half], last[2 * half + 1]});
      }
    }
  }
}

}  // namespace dedit::cuda::flash

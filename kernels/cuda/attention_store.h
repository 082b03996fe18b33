// The end of the narrow attention kernel: sums over lanes and sets of warps, and the store.
#pragma once

#include "cuda/attention_tile.h"

namespace dedit::cuda::flash {

/// Each lane's parts of the weights' sums to whole ones.
template <class S>
__device__ __forceinline__ void complete_sums(State<S>& state) {
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      state.sum[m][r] += __shfl_xor_sync(0xffffffffu, state.sum[m][r], 1);
      state.sum[m][r] += __shfl_xor_sync(0xffffffffu, state.sum[m][r], 2);
    }
  }
}

/// Leaves the state in `shared` (kStateFloats), a float of each lane beside those of the others.
template <class S>
__device__ __forceinline__ void leave(const State<S>& state, float* shared) {
  float* to = shared + lane_index();
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      to[0] = state.top[m][r];
      to[32] = state.sum[m][r];
      to += 64;
    }
#pragma unroll
    for (int n = 0; n < S::kPieces; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i, to += 32) *to = state.y[m][n][i];
    }
  }
}

/// Adds what another set of warps left of the same rows.
template <class S>
__device__ __forceinline__ void merge(State<S>& state, const float* shared) {
  const float* from = shared + lane_index();
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
    float mine[2], theirs[2];
#pragma unroll
    for (int r = 0; r < 2; ++r, from += 64) {
      const float top = fmaxf(state.top[m][r], from[0]);
      mine[r] = rescale(state.top[m][r], top);
      theirs[r] = rescale(from[0], top);
      state.top[m][r] = top;
      state.sum[m][r] = state.sum[m][r] * mine[r] + from[32] * theirs[r];
    }
#pragma unroll
    for (int n = 0; n < S::kPieces; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i, from += 32) {
        state.y[m][n][i] = state.y[m][n][i] * mine[i / 2] + *from * theirs[i / 2];
      }
    }
  }
}

/// One split's part, unscaled, to the workspace.
template <class S>
__device__ __forceinline__ void store_partial(const State<S>& state, const Task& task, int first) {
  const int lane = made_anew(lane_index()), group = lane / 4, column = lane % 4 * 2;
  const int64_t rows = task.args.tokens_q;
  const int64_t before = (int64_t(blockIdx.z) * gridDim.y + blockIdx.y) * rows;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = first + m * 16 + r * 8 + group;
      if (row >= rows) continue;
      if (column == 0) task.states[before + row] = {{state.top[m][r], state.sum[m][r]}};
      float* to = task.partial + (before + row) * S::kDims + column;
#pragma unroll
      for (int n = 0; n < S::kPieces; ++n) {
        *reinterpret_cast<Vec<float, 2>*>(to + n * 8) = {
            {state.y[m][n][2 * r], state.y[m][n][2 * r + 1]}};
      }
    }
  }
}

/// Two tiles of 8 columns of a row, whose pairs lie in lanes t = 0 to 3: neighbours exchange a
/// pair, so that each stores 8 bytes.
template <class T>
__device__ __forceinline__ void store_two_tiles(T* row, int t, uint32_t first, uint32_t second,
                                                bool valid) {
  const int odd = t % 2;
  const uint32_t other = __shfl_xor_sync(0xffffffffu, odd ? first : second, 1);
  const Vec<uint32_t, 2> both =
      odd ? Vec<uint32_t, 2>{{other, second}} : Vec<uint32_t, 2>{{first, other}};
  if (valid) *reinterpret_cast<Vec<uint32_t, 2>*>(row + odd * 8 + (t - odd) * 2) = both;
}

/// y / sum of the rows from `first` on.
template <class S>
__device__ __forceinline__ void store(const State<S>& state, const Rows<typename S::T>& y,
                                      int first) {
  using T = typename S::T;
  const int lane = made_anew(lane_index()), group = lane / 4, column = lane % 4 * 2;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = first + m * 16 + r * 8 + group;
      const bool valid = row < y.rows;
      const float factor = 1 / state.sum[m][r];
      T* to = y.row(row);
      const auto value = [&](int n, int i) { return state.y[m][n][2 * r + i] * factor; };
      const auto pair = [&](int n) { return pack<T>(value(n, 0), value(n, 1)); };
      if constexpr (S::kExact) {
#pragma unroll
        for (int n = 0; n + 1 < S::kPieces; n += 2) {
          store_two_tiles(to + n * 8, lane % 4, pair(n), pair(n + 1), valid);
        }
        if (S::kPieces % 2 != 0 && valid) {
          *reinterpret_cast<uint32_t*>(to + (S::kPieces - 1) * 8 + column) = pair(S::kPieces - 1);
        }
      } else {
#pragma unroll
        for (int n = 0; n < S::kPieces; ++n) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const int at = n * 8 + column + i;
            if (valid && at < y.columns) to[at] = from_float<T>(value(n, i));
          }
        }
      }
    }
  }
}

}  // namespace dedit::cuda::flash

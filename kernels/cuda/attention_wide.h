// Attention for heads that no warp can hold (the VAE's single one of 512): a block's warps share
// the queries' scores through shared memory, and each keeps a part of the output's columns.
//
// A tile of 64 keys goes by in pieces of 16 KiB, through a ring: the keys' columns 128 at a time,
// then the values 16 keys at a time. For scores a warp takes 32 queries, 32 keys and half of the
// columns; for the output all queries and kColumns columns; for the weights 8 rows, 4 lanes each.
#pragma once

#include "cuda/attention_task.h"

namespace dedit::cuda::flash {

template <class T_, int kRows_, bool kExact_>
struct WideShape {
  using T = T_;
  static constexpr int kRows = kRows_;
  static constexpr bool kExact = kExact_;
  static constexpr int kDims = kWideDims;
  static constexpr int kWarps = kRows / 8, kThreads = 32 * kWarps;
  static constexpr int kColumns = kDims / kWarps;  ///< of the output, a warp
  static constexpr int kRowTiles = kRows / 16;
  static constexpr int kKeyColumns = 128;  ///< of one piece of keys
  static constexpr int kValueKeys = 16;    ///< of one piece of values
  static constexpr int kRowPieces = kDims / 8, kKeyPieces = kKeyColumns / 8;
  static constexpr int kValueParts = kTileKeys / kValueKeys;
  static constexpr int kStages = kRows == 64 ? 3 : 2;
  static constexpr int kStagePieces = kTileKeys * kKeyPieces;
  static constexpr int kScoreStep = kTileKeys + 8;  ///< keeps writers of fragments in other banks
  static constexpr int kQueryPieces = kRows * kRowPieces;
  static constexpr int kWeightPieces = kRows * kTileKeys / 8;
  static_assert(kValueKeys * kRowPieces == kStagePieces);

  struct Memory {
    Piece queries[kQueryPieces];
    Piece ring[kStages][kStagePieces];
    Piece weights[kWeightPieces];
    float scores[2][kRows * kScoreStep];  ///< of either half of the columns
    float factors[kRows];                 ///< what the output's rows are to be scaled by
  };
  static constexpr size_t kSharedBytes = sizeof(Memory);
};

/// The pieces of a block's keys and values, in the order in which they are used.
template <class S>
class Ring {
 public:
  using T = typename S::T;
  __device__ Ring(typename S::Memory& memory, const Task& task, KeyRange range, int key_parts)
      : memory_(memory),
        k_(keys_of<T>(task.args)),
        v_(values_of<T>(task.args)),
        wide_(task.wide),
        key_(range.first),
        end_(range.end),
        key_parts_(key_parts) {}

  /// Queues the next piece, or nothing behind the last.
  __device__ __forceinline__ void load_next() {
    if (key_ < end_) {
      Piece* to = memory_.ring[load_slot_];
      if (part_ < key_parts_) {
        load_tile<kTileKeys, S::kKeyPieces, S::kThreads, S::kExact>(to, k_, key_,
                                                                    part_ * S::kKeyColumns, wide_);
      } else {
        const int key = key_ + (part_ - key_parts_) * S::kValueKeys;
        load_tile<S::kValueKeys, S::kRowPieces, S::kThreads, S::kExact>(to, v_, key, 0, wide_);
      }
      load_slot_ = (load_slot_ + 1) % S::kStages;
      if (++part_ == key_parts_ + S::kValueParts) {
        part_ = 0;
        key_ += kTileKeys;
      }
    }
    copy_async_commit();
  }

  /// The next piece to use, once it is there; what all warps wrote before is there as well.
  __device__ __forceinline__ const Piece* next() {
    copy_async_wait<S::kStages - 2>();
    __syncthreads();
    load_next();
    const Piece* piece = memory_.ring[use_slot_];
    use_slot_ = (use_slot_ + 1) % S::kStages;
    return piece;
  }

 private:
  typename S::Memory& memory_;
  Rows<const T> k_, v_;
  bool wide_;
  int key_, end_, key_parts_;
  int part_ = 0, load_slot_ = 0, use_slot_ = 0;
};

/// This warp's part of the scores: s += q k^T for 64 of the 128 columns of a piece.
template <class S>
__device__ __forceinline__ void multiply_piece(const typename S::Memory& memory, const Piece* keys,
                                               int part, float (&s)[2][4][4]) {
  using T = typename S::T;
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const int row = warp / 4 * 32, key = warp / 2 % 2 * 32, half = warp % 2;
#pragma unroll
  for (int step = 0; step < S::kKeyColumns / 32; ++step) {
    const int column = half * (S::kKeyPieces / 2) + step * 2;
    uint32_t q[2][4], k[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      load_matrices(q[i], memory.queries +
                              swizzled<S::kRowPieces>(row + i * 16 + lane % 16,
                                                      part * S::kKeyPieces + column + lane / 16));
      load_matrices(k[i], keys + swizzled<S::kKeyPieces>(key + i * 16 + lane / 16 * 8 + lane % 8,
                                                         column + lane / 8 % 2));
    }
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        mma_16x8x16<T>(s[m][n], q[m], {k[n / 2][n % 2 * 2], k[n / 2][n % 2 * 2 + 1]});
      }
    }
  }
}

template <class S>
__device__ __forceinline__ void leave_scores(typename S::Memory& memory,
                                             const float (&s)[2][4][4]) {
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const int row = warp / 4 * 32 + lane / 4, key = warp / 2 % 2 * 32 + lane % 4 * 2;
  float* to = memory.scores[warp % 2] + row * S::kScoreStep + key;
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int n = 0; n < 4; ++n) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        *reinterpret_cast<Vec<float, 2>*>(to + (m * 16 + r * 8) * S::kScoreStep +
                                          n * 8) = {{s[m][n][2 * r], s[m][n][2 * r + 1]}};
      }
    }
  }
}

/// Of the row that this lane and its three neighbours work on.
struct RowState {
  float top = kLowestTop;
  float sum = 0;  ///< this lane's part
};

/// The weights of a tile whose first `seen` keys the row sees.
template <class S>
__device__ __forceinline__ void weigh_row(typename S::Memory& memory, int seen, float to_log2,
                                          RowState& state) {
  const int row = int(threadIdx.x) / 4, t = int(threadIdx.x) % 4;
  const int at = row * S::kScoreStep + t * 2;
  float x[kTileKeys / 8][2];
  float largest = -INFINITY;
#pragma unroll
  for (int n = 0; n < kTileKeys / 8; ++n) {
    const auto a = *reinterpret_cast<const Vec<float, 2>*>(memory.scores[0] + at + n * 8);
    const auto b = *reinterpret_cast<const Vec<float, 2>*>(memory.scores[1] + at + n * 8);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      x[n][i] = n * 8 + t * 2 + i < seen ? (a.v[i] + b.v[i]) * to_log2 : -INFINITY;
      largest = fmaxf(largest, x[n][i]);
    }
  }
  largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
  largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
  float factor = 1;
  if (largest - state.top > kSlack) {
    factor = rescale(state.top, largest);
    state.top = largest;
    state.sum *= factor;
  }
  if (t == 0) memory.factors[row] = factor;
#pragma unroll
  for (int n = 0; n < kTileKeys / 8; ++n) {
    const float low = fast_exp2(x[n][0] - state.top), high = fast_exp2(x[n][1] - state.top);
    state.sum += low;
    state.sum += high;
    Piece* to = memory.weights + swizzled<kTileKeys / 8>(row, n);
    reinterpret_cast<uint32_t*>(to)[t] = pack<typename S::T>(low, high);
  }
}

template <class S>
using WideOutput = float[S::kRowTiles][S::kColumns / 8][4];

template <class S>
__device__ __forceinline__ void scale_rows(WideOutput<S>& y, const float* factors) {
  const int group = int(threadIdx.x) % 32 / 4;
  float factor[S::kRowTiles][2];
  bool any = false;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      factor[m][r] = factors[m * 16 + r * 8 + group];
      any |= factor[m][r] != 1;
    }
  }
  if (!__any_sync(0xffffffffu, any)) return;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int n = 0; n < S::kColumns / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) y[m][n][i] *= factor[m][i / 2];
    }
  }
}

/// y += weights v for 16 keys and this warp's columns.
template <class S>
__device__ __forceinline__ void add_piece(const typename S::Memory& memory, const Piece* values,
                                          int part, WideOutput<S>& y) {
  using T = typename S::T;
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  uint32_t weights[S::kRowTiles][4];
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
    load_matrices(weights[m], memory.weights + swizzled<kTileKeys / 8>(m * 16 + lane % 16,
                                                                       part * 2 + lane / 16));
  }
#pragma unroll
  for (int n = 0; n < S::kColumns / 8; n += 2) {
    uint32_t v[4];
    const int column = warp * (S::kColumns / 8) + n;
    load_matrices_transposed(v, values + swizzled<S::kRowPieces>(lane % 16, column + lane / 16));
#pragma unroll
    for (int m = 0; m < S::kRowTiles; ++m) {
      mma_16x8x16<T>(y[m][n], weights[m], {v[0], v[1]});
      mma_16x8x16<T>(y[m][n + 1], weights[m], {v[2], v[3]});
    }
  }
}

/// The output: divided by the sums in `factors`, or a split's part as it is.
template <class S>
__device__ __forceinline__ void store_wide(const WideOutput<S>& y, const float* factors,
                                           const Task& task, int first) {
  using T = typename S::T;
  const int lane = int(threadIdx.x) % 32;
  const int before = int(threadIdx.x) / 32 * S::kColumns + lane % 4 * 2;
  const auto out = outputs_of<T>(task.args);
  const int64_t block = int64_t(blockIdx.z) * gridDim.y + blockIdx.y;
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int in_block = m * 16 + r * 8 + lane / 4, row = first + in_block;
      if (row >= out.rows) continue;
      const float factor = 1 / factors[in_block];
#pragma unroll
      for (int n = 0; n < S::kColumns / 8; ++n) {
        const int column = before + n * 8;
        const float low = y[m][n][2 * r], high = y[m][n][2 * r + 1];
        if (task.partial) {
          float* to = task.partial + (block * out.rows + row) * S::kDims + column;
          *reinterpret_cast<Vec<float, 2>*>(to) = {{low, high}};
        } else if (S::kExact) {
          *reinterpret_cast<uint32_t*>(out.row(row) + column) =
              pack<T>(low * factor, high * factor);
        } else {
          T* to = out.row(row) + column;
          if (column < out.columns) to[0] = from_float<T>(low * factor);
          if (column + 1 < out.columns) to[1] = from_float<T>(high * factor);
        }
      }
    }
  }
}

/// A block: kRows queries of one head and the keys of one split. Limit: the tensor cores, and
/// shared memory not far behind.
template <class S>
__global__ void __launch_bounds__(S::kThreads, 1) wide_kernel(Task task) {
  using T = typename S::T;
  auto& memory = *reinterpret_cast<typename S::Memory*>(dynamic_shared());
  const int first = int(blockIdx.x) * S::kRows, row = first + int(threadIdx.x) / 4;
  const int key_parts = int(divide_up(task.args.head_dim, S::kKeyColumns));
  KeyRange range = split_keys(task);
  range.end = seen_keys(first + S::kRows - 1, range.end, task.args.causal);
  load_tile<S::kRows, S::kRowPieces, S::kThreads, S::kExact>(
      memory.queries, queries_of<T>(task.args), first, 0, task.wide);
  Ring<S> ring(memory, task, range, key_parts);
  for (int i = 0; i < S::kStages - 1; ++i) ring.load_next();
  WideOutput<S> y = {};
  RowState state;
  for (int key = range.first; key < range.end; key += kTileKeys) {
    float s[2][4][4] = {};
    for (int part = 0; part < key_parts; ++part) {
      multiply_piece<S>(memory, ring.next(), part, s);
    }
    leave_scores<S>(memory, s);
    __syncthreads();
    weigh_row<S>(memory, seen_keys(row, range.end, task.args.causal) - key, task.to_log2, state);
    for (int part = 0; part < S::kValueParts; ++part) {
      const Piece* values = ring.next();
      if (part == 0) scale_rows<S>(y, memory.factors);
      add_piece<S>(memory, values, part, y);
    }
  }
  copy_async_wait<0>();
  state.sum += __shfl_xor_sync(0xffffffffu, state.sum, 1);
  state.sum += __shfl_xor_sync(0xffffffffu, state.sum, 2);
  __syncthreads();
  if (threadIdx.x % 4 == 0) {
    memory.factors[threadIdx.x / 4] = state.sum;
    if (task.partial && row < task.args.tokens_q) {
      const int64_t block = int64_t(blockIdx.z) * gridDim.y + blockIdx.y;
      task.states[block * task.args.tokens_q + row] = {{state.top, state.sum}};
    }
  }
  __syncthreads();
  store_wide<S>(y, memory.factors, task, first);
}

}  // namespace dedit::cuda::flash

// What attention's kernels share: their arguments, the rows of a head, and the loads of tiles.
#pragma once

#include <bit>

#include "cuda/attention_exp.h"
#include "cuda/attention_map.h"

namespace dedit::cuda::flash {

using Piece = Vec<uint16_t, 8>;  ///< 16 bytes of Bf16 or F16

struct Task {
  AttentionArgs args;
  float to_log2 = 1;  ///< scale * log2(e)
  bool wide = true;   ///< 16-byte loads
  int split_tiles = 1;
  // Of more than one split, in the workspace: what a split's rows come to, and their top and sum.
  float* partial = nullptr;         ///< [splits, batch * heads, tokens_q, dims]
  Vec<float, 2>* states = nullptr;  ///< [splits, batch * heads, tokens_q]
};

/// Rows of one head of one batch row in a matrix.
template <class T>
struct Rows {
  T* data;
  int step;  ///< elements between rows
  int rows, columns;

  /// Row i; past the last it is an address only. Unsigned, for this to be a single operation.
  __device__ T* row(int i) const { return data + uint64_t(uint32_t(i)) * uint32_t(step); }
};

template <class T>
__device__ Rows<const T> head_of(const void* data, int64_t batch_step, int64_t row, int64_t rows,
                                 const AttentionArgs& a) {
  const int block = made_anew(int(blockIdx.y));  // y's place is not kept from q's on
  const int batch = block / a.heads, head = block % a.heads;
  return {static_cast<const T*>(data) + batch * batch_step + int64_t(head) * a.head_dim, int(row),
          int(rows), a.head_dim};
}
template <class T>
__device__ Rows<const T> keys_of(const AttentionArgs& a) {
  return head_of<T>(a.k, a.k_batch, a.k_row, a.tokens_k, a);
}
template <class T>
__device__ Rows<const T> values_of(const AttentionArgs& a) {
  return head_of<T>(a.v, a.v_batch, a.v_row, a.tokens_k, a);
}
template <class T>
__device__ Rows<const T> queries_of(const AttentionArgs& a) {
  return head_of<T>(a.q, a.q_batch, a.q_row, a.tokens_q, a);
}
template <class T>
__device__ Rows<T> outputs_of(const AttentionArgs& a) {
  const auto y = head_of<T>(a.y, a.y_batch, a.y_row, a.tokens_q, a);
  return {const_cast<T*>(y.data), y.step, y.rows, y.columns};
}

/// The keys of this block's split.
struct KeyRange {
  int first, end;
};
__device__ inline KeyRange split_keys(const Task& task) {
  const int64_t first = int64_t(blockIdx.z) * task.split_tiles * kTileKeys;
  const int64_t end = first + int64_t(task.split_tiles) * kTileKeys;
  return {int(first), int(end < task.args.tokens_k ? end : task.args.tokens_k)};
}

template <class T>
__device__ Piece read_piece(const Rows<const T>& from, int row, int column) {
  Piece piece;
  for (int i = 0; i < 8; ++i) {
    const bool valid = row < from.rows && column + i < from.columns;
    piece.v[i] = valid ? from.row(row)[column + i].bits : uint16_t(0);
  }
  return piece;
}

/// Rows that kThreads threads copy at once; where it is easy a multiple of 8, so that a thread's
/// pieces are swizzled alike.
template <int kPieces, int kThreads>
constexpr int rows_at_once() {
  constexpr int kRows = kThreads / kPieces;
  return kPieces % 2 == 0 && kRows >= 16 ? kRows / 8 * 8 : kRows;
}

/// Queues the copy of rows [first, first + kRows) and columns [column, column + 8 kPieces) to
/// `shared`, swizzled; zeros outside of the matrix. kExact: all columns are inside.
template <int kRows, int kPieces, int kThreads, bool kExact, class T>
__device__ __forceinline__ void load_tile(Piece* shared, const Rows<const T>& from, int first,
                                          int column, bool wide) {
  constexpr int kAtOnce = rows_at_once<kPieces, kThreads>();
  const int start = int(threadIdx.x) / kPieces, piece = int(threadIdx.x) % kPieces;
  if (start >= kAtOnce) return;
  constexpr bool kAlike = kAtOnce % 8 == 0 || kSpread<kPieces> == 1;
  const int start_place = swizzled<kPieces>(start, piece);
  const int at = column + piece * 8, end = from.rows - first;
  const bool inside = kExact || at < from.columns;
  const T* source = from.row(first) + made_anew(start * from.step + at);
#pragma unroll
  for (int before = 0; before < kRows; before += kAtOnce) {
    const int row = before + start;
    Piece* to = shared + (kAlike ? before * kPieces + start_place : swizzled<kPieces>(row, piece));
    if (kRows % kAtOnce == 0 || row < kRows) {
      if (kExact || wide) {
        copy_async_16(to, source, inside && row < end);
      } else {
        *to = read_piece(from, first + row, at);
      }
    }
    source += uint64_t(kAtOnce) * uint32_t(from.step);
  }
}

}  // namespace dedit::cuda::flash

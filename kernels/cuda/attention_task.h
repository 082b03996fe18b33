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
  int64_t step;  ///< elements between rows
  int rows, columns;
};

template <class T>
__device__ Rows<const T> head_of(const void* data, int64_t batch_step, int64_t row, int64_t rows,
                                 const AttentionArgs& a) {
  const int batch = int(blockIdx.y) / a.heads, head = int(blockIdx.y) % a.heads;
  return {static_cast<const T*>(data) + batch * batch_step + int64_t(head) * a.head_dim, row,
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
    piece.v[i] = valid ? from.data[row * from.step + column + i].bits : uint16_t(0);
  }
  return piece;
}

/// Queues the copy of rows [first, first + kRows) and columns [column, column + 8 kPieces) to
/// `shared`, swizzled; zeros outside of the matrix. kExact: all columns are inside.
template <int kRows, int kPieces, int kThreads, bool kExact, class T>
__device__ __forceinline__ void load_tile(Piece* shared, const Rows<const T>& from, int first,
                                          int column, bool wide) {
#pragma unroll
  for (int i = int(threadIdx.x); i < kRows * kPieces; i += kThreads) {
    const int row = first + i / kPieces, piece = i % kPieces;
    Piece* to = shared + swizzled<kPieces>(i / kPieces, piece);
    if (!kExact && !wide) {
      *to = read_piece(from, row, column + piece * 8);
      continue;
    }
    const bool inside = kExact || column + piece * 8 < from.columns;
    const int at = row < from.rows ? row : from.rows - 1;
    copy_async_16(to, from.data + at * from.step + (inside ? column + piece * 8 : 0),
                  inside && row < from.rows);
  }
}

}  // namespace dedit::cuda::flash

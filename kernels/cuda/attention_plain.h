// Attention in f32, for checking: the narrow kernel's structure by multiplications and additions.
#pragma once

#include "cuda/attention_task.h"

namespace dedit::cuda::flash {

inline constexpr int kPlainRows = 32, kPlainKeys = 32, kPlainChunk = 32, kPlainThreads = 256;

/// Elements [column, column + kPlainChunk) of 32 rows, zeros outside.
using PlainTile = float[32][kPlainChunk + 1];

__device__ inline void load_plain(PlainTile& tile, const Rows<const float>& from, int first,
                                  int column) {
  for (int i = int(threadIdx.x); i < 32 * kPlainChunk; i += kPlainThreads) {
    const int row = i / kPlainChunk, c = i % kPlainChunk;
    const bool inside = first + row < from.rows && column + c < from.columns;
    tile[row][c] = inside ? from.row(first + row)[column + c] : 0;
  }
}

/// A block: 32 queries of one head; a thread: every eighth key and column of one of them. Limit:
/// the multipliers. kChunks chunks of 32 columns hold the head.
template <int kChunks>
__global__ void __launch_bounds__(kPlainThreads) plain_kernel(Task task) {
  __shared__ PlainTile left, right;  // q or weights; k or v
  const int in_block = int(threadIdx.x) / 8, t = int(threadIdx.x) % 8;
  const int first = int(blockIdx.x) * kPlainRows, row = first + in_block;
  const auto q = queries_of<float>(task.args), k = keys_of<float>(task.args);
  const auto v = values_of<float>(task.args);
  const int dims = task.args.head_dim, end = k.rows;
  const int block_end = seen_keys(first + kPlainRows - 1, end, task.args.causal);
  const int seen = seen_keys(row, end, task.args.causal);
  float y[kChunks][4] = {}, top = kLowestTop, sum = 0;
  for (int key = 0; key < block_end; key += kPlainKeys) {
    float s[4] = {};
    for (int column = 0; column < dims; column += kPlainChunk) {
      __syncthreads();
      load_plain(left, q, first, column);
      load_plain(right, k, key, column);
      __syncthreads();
      for (int c = 0; c < kPlainChunk; ++c) {
#pragma unroll
        for (int j = 0; j < 4; ++j) s[j] += left[in_block][c] * right[t + 8 * j][c];
      }
    }
    float largest = top;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      s[j] = key + t + 8 * j < seen ? s[j] * task.to_log2 : -INFINITY;
      largest = fmaxf(largest, s[j]);
    }
    for (int lanes = 1; lanes < 8; lanes *= 2) {
      largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, lanes));
    }
    const float factor = exp2f(top - largest);
    top = largest;
    sum *= factor;
    __syncthreads();
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float weight = exp2f(s[j] - top);
      sum += weight;
      left[in_block][t + 8 * j] = weight;
    }
#pragma unroll
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      if (chunk * kPlainChunk >= dims) break;
      __syncthreads();
      load_plain(right, v, key, chunk * kPlainChunk);
      __syncthreads();
#pragma unroll
      for (int j = 0; j < 4; ++j) y[chunk][j] *= factor;
      for (int i = 0; i < kPlainKeys; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) y[chunk][j] += left[in_block][i] * right[i][t + 8 * j];
      }
    }
  }
  for (int lanes = 1; lanes < 8; lanes *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
  const auto out = outputs_of<float>(task.args);
  if (row >= out.rows) return;
#pragma unroll
  for (int chunk = 0; chunk < kChunks; ++chunk) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int column = chunk * kPlainChunk + t + 8 * j;
      if (column < dims) out.row(row)[column] = y[chunk][j] / sum;
    }
  }
}

}  // namespace dedit::cuda::flash

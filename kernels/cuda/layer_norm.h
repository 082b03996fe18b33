// The device's side of layer norm.
#pragma once

#include "cuda/norm.h"
#include "cuda/reduce.h"
#include "cuda/vector.h"

namespace dedit::cuda {

inline constexpr int kRowThreads = 128;      ///< of a block in which a warp has a row
inline constexpr int kWideRowThreads = 256;  ///< of a block that has a row

template <class T, int W>
__device__ inline float sum_of(const Vec<T, W>& x) {
  float sum = 0;
  for (int e = 0; e < W; ++e) sum += to_float(x.v[e]);
  return sum;
}

/// Sums of the distance from a rounded mean and of its square: the first corrects the mean.
struct Distances {
  float sum = 0, squares = 0;

  template <class T, int W>
  __device__ void add(const Vec<T, W>& x, float mean) {
    for (int e = 0; e < W; ++e) {
      const float distance = to_float(x.v[e]) - mean;
      sum += distance;
      squares += distance * distance;
    }
  }
};

struct RowMoments {
  float mean, scale;
};

__device__ inline RowMoments row_moments(float rounded_mean, const Distances& distances, float n,
                                         float eps) {
  const float off = distances.sum / n;
  const float variance = fmaxf(distances.squares / n - off * off, 0);
  return {rounded_mean + off, rsqrtf(variance + eps)};
}

template <class T, int W>
__device__ inline void write_normed(const LayerNormArgs& args, const Vec<T, W>& x,
                                    const RowMoments& row, int64_t column, T* y) {
  float gamma[W], beta[W], v[W];
  load(args.gamma + column, gamma);
  load(args.beta + column, beta);
  for (int e = 0; e < W; ++e) {
    v[e] = fmaf(to_float(x.v[e]) - row.mean, row.scale * gamma[e], beta[e]);
  }
  store(v, y + column);
}

/// A warp a row, which it keeps in registers: at most K vectors a lane.
template <class T, int W, int K>
__global__ void __launch_bounds__(kRowThreads, 4) layer_norm_kernel(LayerNormArgs args) {
  const int lane = int(threadIdx.x) % kLanes;
  const int64_t row = int64_t(blockIdx.x) * (kRowThreads / kLanes) + int(threadIdx.x) / kLanes;
  if (row >= args.rows) return;
  const int vectors = int(args.n) / W;
  const auto* x = reinterpret_cast<const Vec<T, W>*>(static_cast<const T*>(args.x) + row * args.n);
  Vec<T, W> kept[K];
  DEDIT_UNROLL
  for (int k = 0; k < K; ++k) {
    if (lane + k * kLanes < vectors) kept[k] = x[lane + k * kLanes];
  }
  const float n = float(args.n);
  float sum = 0;
  DEDIT_UNROLL
  for (int k = 0; k < K; ++k) {
    if (lane + k * kLanes < vectors) sum += sum_of(kept[k]);
  }
  const float mean = team_sum(sum, kLanes) / n;
  Distances distances;
  DEDIT_UNROLL
  for (int k = 0; k < K; ++k) {
    if (lane + k * kLanes < vectors) distances.add(kept[k], mean);
  }
  distances.sum = team_sum(distances.sum, kLanes);
  distances.squares = team_sum(distances.squares, kLanes);
  const RowMoments moments = row_moments(mean, distances, n, args.eps);
  T* y = static_cast<T*>(args.y) + row * args.n;
  DEDIT_UNROLL
  for (int k = 0; k < K; ++k) {
    const int i = lane + k * kLanes;
    if (i < vectors) write_normed(args, kept[k], moments, i * W, y);
  }
}

/// A block a row of any length, which it reads three times.
template <class T, int W>
__global__ void __launch_bounds__(kWideRowThreads) wide_layer_norm_kernel(LayerNormArgs args) {
  __shared__ float scratch[kWideRowThreads / kLanes];
  const int64_t vectors = args.n / W, row = blockIdx.x;
  const auto* x = reinterpret_cast<const Vec<T, W>*>(static_cast<const T*>(args.x) + row * args.n);
  const float n = float(args.n);
  float sum = 0;
  for (int64_t i = threadIdx.x; i < vectors; i += kWideRowThreads) sum += sum_of(x[i]);
  const float mean = block_sum(sum, scratch) / n;
  Distances distances;
  for (int64_t i = threadIdx.x; i < vectors; i += kWideRowThreads) distances.add(x[i], mean);
  distances.sum = block_sum(distances.sum, scratch);
  distances.squares = block_sum(distances.squares, scratch);
  const RowMoments moments = row_moments(mean, distances, n, args.eps);
  T* y = static_cast<T*>(args.y) + row * args.n;
  for (int64_t i = threadIdx.x; i < vectors; i += kWideRowThreads) {
    write_normed(args, x[i], moments, i * W, y);
  }
}

}  // namespace dedit::cuda

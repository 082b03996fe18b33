// Sums over the threads of a block, in an order that is always the same.
#pragma once

#include "cuda/simt.h"

namespace dedit::cuda {

inline constexpr int kLanes = 32;

/// The sum over a team of neighbouring lanes (a power of two, at most 32), the same in each of
/// them. All lanes of the warp call together.
template <class T>
__device__ inline T team_sum(T v, int team) {
  for (int lanes = team / 2; lanes > 0; lanes /= 2) v += __shfl_xor_sync(0xffffffffu, v, lanes);
  return v;
}

/// The sum over the block, the same in every thread; `scratch` is shared memory for a value a warp.
/// All threads call together; blocks are whole warps.
template <class T>
__device__ inline T block_sum(T v, T* scratch) {
  v = team_sum(v, kLanes);
  __syncthreads();  // an earlier sum may still be read
  if (threadIdx.x % kLanes == 0) scratch[threadIdx.x / kLanes] = v;
  __syncthreads();
  T sum = scratch[0];
  for (unsigned warp = 1; warp < blockDim.x / kLanes; ++warp) sum += scratch[warp];
  return sum;
}

/// f(i, valid, lane) for i < n, each i by a team; in the last round teams without an i of their own
/// get the last one and valid false, since all lanes of a warp must meet in team_sum().
template <class F>
__device__ inline void each_by_team(int n, int team, const F& f) {
  const int teams = int(blockDim.x) / team, lane = int(threadIdx.x) % team;
  for (int base = 0; base < n; base += teams) {
    const int i = base + int(threadIdx.x) / team;
    f(i < n ? i : n - 1, i < n, lane);
  }
}

/// Moments of a set: its mean, the sum of squared distances from it, its size.
struct Moments {
  float mean, m2, count;
};

/// Moments of the union of part(0) to part(n - 1), by a team. Distances are taken from the first
/// part's mean, which is never far from the others where that matters: what cancels is at most
/// about n times the result, so a mean of 100 costs no digits of a deviation of 0.1.
template <class Part>
__device__ inline Moments pool(int n, int lane, int team, const Part& part) {
  const float reference = part(0).mean;
  float count = 0, sum = 0, squares = 0;
  for (int i = lane; i < n; i += team) {
    const Moments moments = part(i);
    const float distance = moments.mean - reference, weighted = moments.count * distance;
    count += moments.count;
    sum += weighted;
    squares += moments.m2 + weighted * distance;
  }
  count = team_sum(count, team);
  sum = team_sum(sum, team);
  squares = team_sum(squares, team);
  return {reference + sum / count, fmaxf(squares - sum * (sum / count), 0), count};
}

}  // namespace dedit::cuda

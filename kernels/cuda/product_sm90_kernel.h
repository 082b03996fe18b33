// The kernel of products on compute capability 9.0a. Compiled for any other it is empty.
#pragma once

#include "cuda/product_sm90_store.h"
#include "cuda/tma.h"
#include "cuda/wgmma.h"

namespace dedit::cuda::sm90 {

// Two warpgroups multiply, 64 rows of the tile each; the first thread after them fetches.
inline constexpr int kGroup = 128, kMultiply = 2 * kGroup, kWarps = kMultiply / 32, kRowBytes = 128;
inline constexpr int kSharedBytes = 225
                                    << 10;  // of a multiprocessor, less barriers and the system's
// A thread's, where the fetching warpgroup gives some away.
inline constexpr int kFetchRegisters = 40, kMultiplyRegisters = 232;

// The ring of shared memory between them: a slot holds the operands of one step.
template <int kN>
struct Ring {
  // Small tiles leave room for a second block, whose products hide how the first one stores. In
  // large ones a whole warpgroup fetches, which has registers to give away.
  static constexpr int kResident = kN == 64 ? 2 : 1;
  static constexpr int kLeft = kSm90Rows * kRowBytes, kRight = kN * kRowBytes;
  static constexpr int kSlot = kLeft + kRight;
  static constexpr int kStages = kSharedBytes / kResident / kSlot;
  static constexpr int kBytes = kStages * (kSlot + 2 * int(sizeof(uint64_t)));
  static constexpr bool kGives = kResident == 1;
  static constexpr int kThreads = kMultiply + (kGives ? kGroup : 32);

  std::byte* slots = dynamic_shared();
  int stage = 0, phase = 0;

  __device__ std::byte* left() const { return slots + stage * kSlot; }
  __device__ std::byte* right() const { return left() + kLeft; }
  // Full: the slot's bytes are there. Empty: every warp that multiplies is done with it.
  __device__ uint64_t* full() const {
    return reinterpret_cast<uint64_t*>(slots + kStages * kSlot) + stage;
  }
  __device__ uint64_t* empty() const { return full() + kStages; }
  __device__ void next() {
    if (++stage == kStages) {
      stage = 0;
      phase ^= 1;
    }
  }
};

// What follows the sums: biases and residual, or parts of sums; also an activation; GEGLU.
enum class Finish { kLinear, kActivated, kGeglu };

template <class T>
struct Job {
  Sm90Layout layout;
  Epilogue<T> end;
  float* partial;  // null unless the sum is split
};

// The items of a cluster: every so many, so that the operands of the next one are fetched while one
// is being stored.
struct Turns {
  int at;
  __device__ explicit Turns(const Sm90Layout& l) : at(int(blockIdx.x) / l.cluster) {}
  __device__ void next(const Sm90Layout& l) { at += int(gridDim.x) / l.cluster; }
};

template <class T, int kN, Finish kFinish>
__device__ void fetch(const TensorMap* x, const TensorMap* x2, const TensorMap* weights,
                      const Job<T>& job) {
  constexpr int kHalf = kN / 2;
  const Sm90Layout& l = job.layout;
  const int rank = cluster_rank();
  Ring<kN> ring;
  for (Turns turn(l); turn.at < l.items(); turn.next(l)) {
    const Sm90Item item = item_of(l, turn.at, rank);
    // With GEGLU the second half of a tile are the gates of the first.
    const int column = item.column_tile * (kFinish == Finish::kGeglu ? kHalf : kN);
    const int second_half = column + (kFinish == Finish::kGeglu ? job.end.columns : kHalf);
    const int first = item.part * l.part_steps;
    const int steps = l.steps_of(item.part);
    Sm90Step s = step_of(l, first);
    for (int step = 0; step < steps; ++step, next_step(l, s), ring.next()) {
      const bool of_x2 = s.block >= l.blocks;
      const int channel = (of_x2 ? s.block - l.blocks : s.block) * kSm90Channels;
      const int across = source_at(l, item.x, item.parity_x, s.tap_x, l.pad_left);
      const int down = source_at(l, item.y, item.parity_y, s.tap_y, l.pad_top);
      const int of_weights = of_x2 ? l.channels + channel : channel;
      const int tap = s.tap_y * l.kernel + s.tap_x;
      barrier_wait(ring.empty(), ring.phase ^ 1);
      barrier_arrive_expecting(ring.full(), Ring<kN>::kSlot);
      load_box(ring.left(), of_x2 ? x2 : x, {channel, across, down, item.image}, ring.full());
      if (l.cluster == 1) {
        load_box(ring.right(), weights, {of_weights, tap, column, 0}, ring.full());
        load_box(ring.right() + kHalf * kRowBytes, weights, {of_weights, tap, second_half, 0},
                 ring.full());
      } else {  // each block of the two brings half of the weights to both
        load_box_to(3, ring.right() + rank * kHalf * kRowBytes, weights,
                    {of_weights, tap, rank == 0 ? column : second_half, 0}, ring.full());
      }
    }
  }
}

// Lets the slot be filled again once the last warp says so, in all blocks whose copies reach it.
__device__ inline void release(uint64_t* empty, int cluster) {
  const int lane = int(threadIdx.x) % 32;
  if (cluster == 1) {
    if (lane == 0) barrier_arrive(empty);
  } else if (lane < cluster) {
    barrier_arrive_at(empty, lane);
  }
}

// The sums of this warpgroup's 64 rows over `steps` steps.
template <class T, int kN>
__device__ void multiply(Ring<kN>& ring, int group, int cluster, int steps, float (&d)[kN / 2]) {
  constexpr int kProducts = kSm90Channels / 16;
  uint64_t* previous = nullptr;
  for (int step = 0; step < steps; ++step, ring.next()) {
    const uint64_t a =
        wgmma_descriptor(shared_address(ring.left()) + uint32_t(group) * 64 * kRowBytes);
    const uint64_t b = wgmma_descriptor(shared_address(ring.right()));
    barrier_wait(ring.full(), ring.phase);
    wgmma_fence();

    DEDIT_UNROLL
    for (int k = 0; k < kProducts; ++k) {
      wgmma<T>(d, a + kWgmmaNextK * unsigned(k), b + kWgmmaNextK * unsigned(k), step > 0 || k > 0);
    }
    wgmma_commit();
    if (previous) {
      wgmma_wait<1>();
      release(previous, cluster);
    }
    previous = ring.empty();
  }
  wgmma_wait<0>();
  wgmma_settle(d);
  release(previous, cluster);
}

template <class T, int kN, Finish kFinish>
__device__ void multiply_and_store(const Job<T>& job) {
  const Sm90Layout& l = job.layout;
  // From lane 0, so that the compiler knows it to be one value a warp.
  const int group = __shfl_sync(0xffffffffu, int(threadIdx.x) / kGroup, 0);
  const int rank = cluster_rank();
  Ring<kN> ring;
  for (Turns turn(l); turn.at < l.items(); turn.next(l)) {
    const Sm90Item item = item_of(l, turn.at, rank);
    float d[kN / 2];
    multiply<T>(ring, group, l.cluster, l.steps_of(item.part), d);
    const int column = item.column_tile * (kFinish == Finish::kGeglu ? kN / 2 : kN);
    const Place place = place_of(l, item, group, column);
    if constexpr (kFinish == Finish::kGeglu) {
      store_geglu(job.end, place, d);
    } else if (kFinish == Finish::kLinear && job.partial) {
      store_parts(job.end, job.partial, place, item.part, d);
    } else {
      store_sums<T, kFinish == Finish::kActivated>(job.end, place, d);
    }
  }
}

template <class T, int kN, Finish kFinish>
__global__ void __launch_bounds__(Ring<kN>::kThreads, Ring<kN>::kResident)
    product_kernel(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap x2,
                   const __grid_constant__ TensorMap weights, const __grid_constant__ Job<T> job) {
#if !defined(__CUDACC__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  if (threadIdx.x == 0) {
    prefetch(&x);
    prefetch(&x2);
    prefetch(&weights);
    for (Ring<kN> ring; ring.phase == 0; ring.next()) {
      barrier_init(ring.full(), 1);
      barrier_init(ring.empty(), kWarps * job.layout.cluster);
    }
    barrier_init_done();
  }
  sync_cluster();
  if (threadIdx.x < kMultiply) {
    if constexpr (Ring<kN>::kGives) take_registers<kMultiplyRegisters>();
    multiply_and_store<T, kN, kFinish>(job);
  } else {
    if constexpr (Ring<kN>::kGives) give_registers<kFetchRegisters>();
    if (threadIdx.x == kMultiply) fetch<T, kN, kFinish>(&x, &x2, &weights, job);
  }
  if (job.layout.cluster > 1) sync_cluster();
#endif
}

}  // namespace dedit::cuda::sm90

// Emulates the parts of CUDA that kernels/cuda uses, on the CPU: the threads of a block are fibers
// that run until they wait for each other, blocks are spread over the cores. It is for tests:
// correct, and slow (about 10 ns a switch).
//
// What it catches: wrong index maps, sums and fragment layouts; reads before a copy was waited for
// (asynchronous copies take effect only when they are waited for, at the latest possible moment);
// reads and writes past a buffer under the address sanitizer; threads that wait for each other for
// ever (it aborts with a message); and, since set_reverse() runs blocks and threads in the opposite
// order, most missing barriers, which give other results then.
// What it cannot: rounding of the GPU's own functions, memory ordering, speed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>

// CUDA's words. __shared__ variables belong to the block that a core is working on; kernels
// launched in clusters have dynamic shared memory alone.
#define __global__
#define __device__
#define __host__
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __forceinline__ inline
#define __align__(n) alignas(n)
#define __grid_constant__

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace dedit::simt {

/// Runs `thread` once for every thread of the grid, whose blocks work side by side in clusters of
/// `cluster` neighbours.
void run(const dim3& blocks, const dim3& threads, size_t shared_bytes, int cluster,
         const std::function<void()>& thread);

/// A stream of work that is done later. Null streams do theirs at once.
class WorkQueue {
 public:
  virtual ~WorkQueue() = default;
  virtual void push(std::function<void()> work) = 0;
};
void submit(void* stream, std::function<void()> work);

/// Blocks and threads from last to first, in every later run.
void set_reverse(bool reverse);

struct Indices {
  dim3 thread, block, block_size, grid_size;
};
/// Of the running thread.
const Indices& indices();

std::byte* dynamic_shared();

/// The number of the running block in its cluster. Functions that take a rank mean that block's;
/// its threads must not all have ended.
int cluster_rank();
std::byte* dynamic_shared(int rank);
void sync_cluster();

/// What other parts of the emulator keep for the running block and thread: null at its start,
/// destroyed at its end.
std::shared_ptr<void>& block_state(int rank);
std::shared_ptr<void>& thread_state();
bool is_reversed();
/// Prints why and aborts.
[[noreturn]] void fail(const char* why);

// Barriers: of the block, of `count` threads under a number, of the lanes in `mask`.
void sync_block();
void sync_named(int barrier, int count);
void sync_warp(uint32_t mask = 0xffffffffu);

/// Lets other threads run until ready() holds; for barriers in memory.
void wait_until(const std::function<bool()>& ready);

/// The number of the running thread in its warp, 0 to 31.
int lane();

/// What lane `source` of the warp passes in the same call. All lanes of `mask` call together.
void exchange(uint32_t mask, const void* mine, size_t bytes, int source, void* theirs);
/// What all 32 lanes pass, in order; at most 64 bytes each. All lanes call together.
void gather(const void* mine, size_t bytes, void* all);
/// The same without copying: lane i's bytes lie at kExchangeBytes * i, until the next exchange.
const std::byte* meet(const void* mine, size_t bytes);
inline constexpr size_t kExchangeBytes = 64;

void load_matrices(uint32_t (&r)[4], const void* row, bool transposed);

/// `from` null: zeros.
void copy_async(void* shared, const void* from, size_t bytes);
void copy_async_commit();
void copy_async_wait(int groups_left);

template <class ToFloat>
void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                 const ToFloat& value) {
  struct alignas(kExchangeBytes) Fragment {
    float a[8], b[4];  // the halves of each word in turn
  } mine;
  for (int i = 0; i < 8; ++i) mine.a[i] = value(uint16_t(a[i / 2] >> i % 2 * 16));
  for (int i = 0; i < 4; ++i) mine.b[i] = value(uint16_t(b[i / 2] >> i % 2 * 16));
  const auto* all = reinterpret_cast<const Fragment*>(meet(&mine, sizeof mine));
  const int group = lane() / 4, t = lane() % 4;
  for (int k = 0; k < 16; ++k) {
    const Fragment& left = all[group * 4 + k % 8 / 2];
    const float upper = left.a[k / 8 * 4 + k % 2], lower = left.a[k / 8 * 4 + 2 + k % 2];
    for (int i = 0; i < 2; ++i) {
      const float right = all[(2 * t + i) * 4 + k % 8 / 2].b[k / 8 * 2 + k % 2];
      d[i] += upper * right;
      d[2 + i] += lower * right;
    }
  }
}

template <class T>
T shuffle(uint32_t mask, T value, int source) {
  T other;
  exchange(mask, &value, sizeof value, source, &other);
  return other;
}

}  // namespace dedit::simt

#define threadIdx (::dedit::simt::indices().thread)
#define blockIdx (::dedit::simt::indices().block)
#define blockDim (::dedit::simt::indices().block_size)
#define gridDim (::dedit::simt::indices().grid_size)

inline void __syncthreads() {
  dedit::simt::sync_block();
}
inline void __syncwarp(uint32_t mask = 0xffffffffu) {
  dedit::simt::sync_warp(mask);
}
template <class T>
T __shfl_sync(uint32_t mask, T value, int source) {
  return dedit::simt::shuffle(mask, value, source & 31);
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int lanes) {
  return dedit::simt::shuffle(mask, value, dedit::simt::lane() ^ lanes);
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, int lanes) {
  const int source = dedit::simt::lane() + lanes;
  return dedit::simt::shuffle(mask, value, source < 32 ? source : dedit::simt::lane());
}
inline int __any_sync(uint32_t, int predicate) {
  int all[32];
  dedit::simt::gather(&predicate, sizeof predicate, all);
  for (const int lane : all) {
    if (lane) return 1;
  }
  return 0;
}
inline float rsqrtf(float x) {
  return 1 / std::sqrt(x);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float __expf(float x) {
  return std::exp(x);
}

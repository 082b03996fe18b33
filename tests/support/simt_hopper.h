// Emulates what compute capability 9.0 adds: barriers in shared memory that count arrivals and
// bytes, bulk copies of boxes of a tensor, and matrix products of warpgroups.
//
// Copies take effect when their barrier is first waited for, in a reversed run (set_reverse) at
// once: between them, a slot that is read before its copy arrived, or given back before it was
// read, gives wrong sums. Products read shared memory, and their sums appear, when they are waited
// for; until then the sums are NaN.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dedit::simt {

/// A tensor of 16-bit elements, contiguous, innermost dimension first, and the box of it that a
/// copy takes: every step-th element of `box` ones. Outside of the tensor are zeros.
struct TensorMap {
  const std::byte* base = nullptr;
  int64_t sizes[4] = {};
  int box[4] = {};
  int step[4] = {};
};

/// The address of `p` in shared memory, as instructions take it.
uint32_t shared_address(const void* p);

void barrier_init(uint64_t* barrier, int arrivals);
/// Arrives, and expects that many bytes more in this phase.
void barrier_arrive(uint64_t* barrier, int64_t bytes = 0);
/// Arrives at the same barrier of another block of the cluster.
void barrier_arrive_at(uint64_t* barrier, int rank);
/// Waits for the end of the phase of this parity: 0 for the first one.
void barrier_wait(uint64_t* barrier, int parity);

/// The box at element `at`, with the 128-byte swizzle, to the same place of every block of the
/// cluster whose bit `blocks` has; the bytes count at the same barrier of each.
void load_box(void* shared, const TensorMap& map, const int (&at)[4], uint64_t* barrier,
              uint32_t blocks);

void wgmma_fence();
/// d [64, n] (+)= a [64, 16] b [n, 16]^T of the warpgroup, a and b named by descriptors, K-major;
/// of d each thread has n / 2 elements.
void wgmma(float* d, int n, uint64_t a, uint64_t b, bool add, bool bf16);
void wgmma_commit();
void wgmma_wait(int groups_left);

}  // namespace dedit::simt

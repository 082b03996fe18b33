// Bulk copies of boxes of tensors (the tensor memory accelerator), the barriers in shared memory
// that they signal, and clusters of blocks that share them: compute capability 9.0 and later.
//
// A barrier's phase ends when as many arrivals as barrier_init() named have come, and every byte
// that they said to expect. The first phase has parity 0; waiting for parity 1 of a fresh barrier
// does not wait, as if the phase before the first had ended.
#pragma once

#include "cuda/types.h"

#ifdef __CUDACC__
#include <cuda.h>
#include <cudaTypedefs.h>

#include "cuda/mma.h"
#else
#include "support/simt_hopper.h"
#endif

namespace dedit::cuda {

/// Which elements a copy takes: `box` of a contiguous tensor of 16-bit elements with `sizes`, both
/// innermost first, every step-th one in each dimension. The innermost size is a multiple of 8, the
/// box 64 (128 bytes, which the copy swizzles) by at most 256 others each.
struct TensorBox {
  const void* base = nullptr;
  Type type = Type::kBF16;
  int64_t sizes[4] = {1, 1, 1, 1};
  int box[4] = {64, 1, 1, 1};
  int step[4] = {1, 1, 1, 1};
};

#ifdef __CUDACC__

/// What a kernel takes as `const __grid_constant__ TensorMap`.
using TensorMap = CUtensorMap;

/// Throws std::runtime_error where the driver knows no tensor maps or refuses this one.
inline TensorMap tensor_map(const TensorBox& t) {
  // Asked of the runtime, so that nothing links the driver's library.
  static const auto encode = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    constexpr unsigned kSince = 12000;
    const cudaError_t status = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found,
                                                                kSince, cudaEnableDefault, &result);
    if (status != cudaSuccess || result != cudaDriverEntryPointSuccess) {
      throw std::runtime_error("the GPU's driver has no tensor maps");
    }
    return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(found);
  }();
  constexpr int kRank = 4;
  cuuint64_t sizes[kRank], strides[kRank];
  cuuint32_t box[kRank], step[kRank];
  for (int i = 0; i < kRank; ++i) {
    sizes[i] = cuuint64_t(t.sizes[i]);
    strides[i] = (i == 0 ? size_of(t.type) : strides[i - 1]) * sizes[i];
    box[i] = cuuint32_t(t.box[i]);
    step[i] = cuuint32_t(t.step[i]);
  }
  const auto type = t.type == Type::kBF16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16  //
                                          : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  TensorMap map;
  const CUresult status =
      encode(&map, type, kRank, const_cast<void*>(t.base), sizes, strides, box, step,
             CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) throw std::runtime_error("the GPU's driver refused a tensor map");
  return map;
}

__device__ inline void barrier_init(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;"
               :
               : "r"(shared_address(barrier)), "r"(arrivals)
               : "memory");
}
/// After the last barrier_init() and before the sync_cluster() that lets others use them.
__device__ inline void barrier_init_done() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ inline void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];"
               :
               : "r"(shared_address(barrier))
               : "memory");
}
/// Arrives, and expects so many bytes of copies in this phase.
__device__ inline void barrier_arrive_expecting(uint64_t* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
               :
               : "r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
/// Arrives at the same barrier of a block of the cluster.
__device__ inline void barrier_arrive_at(uint64_t* barrier, int rank) {
  asm volatile(
      "{\n.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [there];\n}"
      :
      : "r"(shared_address(barrier)), "r"(rank)
      : "memory");
}
/// Waits for the end of the phase of this parity.
__device__ inline void barrier_wait(uint64_t* barrier, int parity) {
  uint32_t done = 0;
  while (!done) {
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}"
        : "=r"(done)
        : "r"(shared_address(barrier)), "r"(parity)
        : "memory");
  }
}

__device__ inline void prefetch(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" : : "l"(reinterpret_cast<uint64_t>(map)) : "memory");
}
/// Copies the map's box at element `at`, innermost first, to `shared` (a multiple of 1024), 16-byte
/// chunk c of row r of each 8 rows (of 128 bytes) to chunk c ^ r; zeros for what is outside of the
/// tensor. One thread calls it; the bytes count at `barrier`.
__device__ inline void load_box(void* shared, const TensorMap* map, const int (&at)[4],
                                uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%2, %3, %4, %5}], [%6];"
      :
      : "r"(shared_address(shared)), "l"(reinterpret_cast<uint64_t>(map)), "r"(at[0]), "r"(at[1]),
        "r"(at[2]), "r"(at[3]), "r"(shared_address(barrier))
      : "memory");
}

/// The same to the same place of every block of the cluster whose bit `blocks` has; the bytes count
/// at the same barrier of each.
__device__ inline void load_box_to(int blocks, void* shared, const TensorMap* map,
                                   const int (&at)[4], uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".multicast::cluster [%0], [%1, {%2, %3, %4, %5}], [%6], %7;"
      :
      : "r"(shared_address(shared)), "l"(reinterpret_cast<uint64_t>(map)), "r"(at[0]), "r"(at[1]),
        "r"(at[2]), "r"(at[3]), "r"(shared_address(barrier)), "h"(uint16_t(blocks))
      : "memory");
}

/// The number of this block in its cluster (Grid::cluster).
__device__ inline int cluster_rank() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return int(rank);
}
/// As __syncthreads(), of all threads of a cluster. No block may end while others use its memory.
__device__ inline void sync_cluster() {
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
}

#else

using TensorMap = simt::TensorMap;

inline TensorMap tensor_map(const TensorBox& t) {
  TensorMap map;
  map.base = static_cast<const std::byte*>(t.base);
  for (int i = 0; i < 4; ++i) {
    map.sizes[i] = t.sizes[i];
    map.box[i] = t.box[i];
    map.step[i] = t.step[i];
  }
  return map;
}

inline void barrier_init(uint64_t* barrier, int arrivals) {
  simt::barrier_init(barrier, arrivals);
}
inline void barrier_init_done() {}
inline void barrier_arrive(uint64_t* barrier) {
  simt::barrier_arrive(barrier);
}
inline void barrier_arrive_expecting(uint64_t* barrier, int bytes) {
  simt::barrier_arrive(barrier, bytes);
}
inline void barrier_arrive_at(uint64_t* barrier, int rank) {
  simt::barrier_arrive_at(barrier, rank);
}
inline void barrier_wait(uint64_t* barrier, int parity) {
  simt::barrier_wait(barrier, parity);
}
inline void prefetch(const TensorMap*) {}
inline void load_box(void* shared, const TensorMap* map, const int (&at)[4], uint64_t* barrier) {
  simt::load_box(shared, *map, at, barrier, 1u << simt::cluster_rank());
}
inline void load_box_to(int blocks, void* shared, const TensorMap* map, const int (&at)[4],
                        uint64_t* barrier) {
  simt::load_box(shared, *map, at, barrier, uint32_t(blocks));
}
inline int cluster_rank() {
  return simt::cluster_rank();
}
inline void sync_cluster() {
  simt::sync_cluster();
}

#endif

}  // namespace dedit::cuda

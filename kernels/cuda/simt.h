// What a kernel needs of its machine. nvcc compiles the kernels for a GPU; the tests compile the
// same sources with the host's compiler for an emulator (tests/support/simt_emulator.h: one fiber
// a thread), so that every index map, sum and barrier is checked where there is no GPU.
//
// Kernels use CUDA's own names (threadIdx, __shared__, __syncthreads, __shfl_xor_sync, ...).
// Three things are ours: launch() instead of <<<>>>, dynamic_shared() instead of extern __shared__,
// and the functions of mma.h instead of inline PTX.
#pragma once

#include "cuda/contract.h"

#ifdef __CUDACC__
#include <stdexcept>
#include <string>

#include <cuda_runtime.h>

#define DEDIT_HOST_DEVICE __host__ __device__
/// Before a loop over registers.
#define DEDIT_UNROLL _Pragma("unroll")
#else
#include "support/simt_emulator.h"

#define DEDIT_HOST_DEVICE
#define DEDIT_UNROLL
#endif

namespace dedit::cuda {

struct Grid {
  dim3 blocks;
  dim3 threads;
  size_t shared_bytes = 0;  ///< of dynamic shared memory
  int cluster = 1;          ///< blocks that run side by side; compute capability 9.0
};

template <class T>
struct Same {
  using type = T;
};

#ifdef __CUDACC__

/// Queues kernel(args...). Throws std::runtime_error if the device refuses the launch.
template <class... Params>
void launch(Stream stream, const Grid& grid, void (*kernel)(Params...),
            typename Same<Params>::type... args) {
  constexpr size_t kWithoutAsking = 48 << 10;
  cudaError_t status = cudaSuccess;
  if (grid.shared_bytes > kWithoutAsking) {
    status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  int(grid.shared_bytes));
  }
  if (status == cudaSuccess) {
    cudaLaunchConfig_t config{};
    config.gridDim = grid.blocks;
    config.blockDim = grid.threads;
    config.dynamicSmemBytes = grid.shared_bytes;
    config.stream = static_cast<cudaStream_t>(stream);
    cudaLaunchAttribute cluster{};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {unsigned(grid.cluster), 1, 1};
    config.attrs = &cluster;
    config.numAttrs = grid.cluster > 1 ? 1 : 0;
    status = cudaLaunchKernelEx(&config, kernel, args...);
  }
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string("the GPU refused a kernel: ") +
                             cudaGetErrorString(status));
  }
}

/// The block's dynamic shared memory, aligned to 1024 bytes.
__device__ inline std::byte* dynamic_shared() {
  extern __shared__ __align__(1024) unsigned char dedit_dynamic_shared[];
  return reinterpret_cast<std::byte*>(dedit_dynamic_shared);
}

#else

// Names of their own for the linker: test_gpu has emulated kernels beside the GPU's.
inline namespace emulated {

template <class... Params>
void launch(Stream stream, const Grid& grid, void (*kernel)(Params...),
            typename Same<Params>::type... args) {
  simt::submit(stream, [=] {
    simt::run(grid.blocks, grid.threads, grid.shared_bytes, grid.cluster, [&] { kernel(args...); });
  });
}

inline std::byte* dynamic_shared() {
  return simt::dynamic_shared();
}

}  // namespace emulated

#endif

DEDIT_HOST_DEVICE constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace dedit::cuda

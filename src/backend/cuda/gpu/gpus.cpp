// The GPUs of this machine, and the backend on one of them.
#include <cstdlib>
#include <cstring>

#include <cuda_runtime.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/gpu/cublaslt.h"
#include "backend/cuda/gpu/gpu_device.h"
#include "core/str.h"

namespace dedit {
namespace {

constexpr int kLeastCapability = 80;  // tensor cores for bf16, asynchronous copies

std::string reason(cudaError_t status) {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) {
    return "there is no NVIDIA driver on this machine";
  }
  if (status == cudaErrorInsufficientDriver) {
    return str("the NVIDIA driver is for CUDA ", driver / 1000, ".", driver % 1000 / 10,
               ", this build for ", CUDART_VERSION / 1000, ".", CUDART_VERSION % 1000 / 10);
  }
  return str("the NVIDIA driver says: ", cudaGetErrorString(status));
}

}  // namespace

GpuList find_gpus() {
  GpuList list;
  int n = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&n); status != cudaSuccess) {
    list.problem = reason(status);
    return list;
  }
  list.problem = "there is no GPU on this machine";
  for (int i = 0; i < n; ++i) {
    cudaDeviceProp p{};
    if (cudaGetDeviceProperties(&p, i) != cudaSuccess) continue;
    const std::string description = str(p.name, ", compute capability ", p.major, ".", p.minor,
                                        ", ", p.totalGlobalMem >> 20, " MiB");
    if (p.major * 10 + p.minor >= kLeastCapability) {
      list.usable.push_back({i, description});
    } else {
      list.problem = str(description, " is too old: compute capability 8.0 is the least");
    }
  }
  return list;
}

std::unique_ptr<Backend> make_cuda_backend(int index, const BackendOptions& options) {
  // Sanitizers see into work that is queued piece by piece only.
  const char* graphs = std::getenv("DEDIT_CUDA_GRAPHS");
  const bool records = !graphs || std::strcmp(graphs, "0") != 0;
  std::unique_ptr<cuda::Device> device = cuda::make_gpu_device(index);
  device->make_current();
  return std::make_unique<cuda::CudaBackend>(
      std::move(device), cuda::Queue::Options{records, options.low_memory}, cuda::open_cublaslt());
}

}  // namespace dedit

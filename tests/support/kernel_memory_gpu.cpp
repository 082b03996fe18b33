#include <stdexcept>

#include <cuda_runtime_api.h>

#include "support/kernel_memory.h"

namespace dedit::cuda {
namespace {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
  }
}

}  // namespace

KernelMemory& KernelMemory::operator=(const KernelMemory& other) {
  if (this == &other) return *this;
  if (other.size() != size()) {
    cudaFree(device_);
    device_ = nullptr;
  }
  host_ = other.host();
  host_is_newer_ = true;
  device_is_newer_ = false;
  return *this;
}

KernelMemory::~KernelMemory() {
  cudaFree(device_);
}

void KernelMemory::fetch() const {
  check(cudaDeviceSynchronize(), "a kernel failed");
  check(cudaMemcpy(host_.data(), device_, size(), cudaMemcpyDeviceToHost), "copy to the host");
  device_is_newer_ = false;
}

void* KernelMemory::device() {
  // Exactly so many bytes, for compute-sanitizer; an empty array has an address too.
  if (device_ == nullptr) check(cudaMalloc(&device_, size() + (size() == 0)), "GPU memory");
  if (host_is_newer_) {
    check(cudaMemcpy(device_, host_.data(), size(), cudaMemcpyHostToDevice), "copy to the GPU");
    host_is_newer_ = false;
  }
  device_is_newer_ = true;
  return device_;
}

std::string kernel_problem() {
  int n = 0;
  const cudaError_t status = cudaGetDeviceCount(&n);
  if (status != cudaSuccess) return std::string("no GPU: ") + cudaGetErrorString(status);
  return n > 0 ? "" : "no GPU: there is none on this machine";
}
int kernel_capability() {
  int major = 0, minor = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
  return major * 10 + minor;
}

void set_reverse_order(bool) {}

}  // namespace dedit::cuda

// Device: what the CUDA backend asks of the driver. One implementation is a GPU (gpu_device.cpp);
// the tests have one in host memory, beside the emulated kernels.
#pragma once

#include <cstddef>
#include <string>

#include "cuda/contract.h"

namespace dedit::cuda {

/// One device and its one queue of work. Not to be used by several threads at once. Every function
/// may throw Error(kOther) with the driver's own words where the device has failed.
class Device {
 public:
  virtual ~Device() = default;

  /// "NVIDIA H100 80GB HBM3, compute capability 9.0"
  virtual std::string description() const = 0;
  /// 80 for compute capability 8.0; 90 means that the kernels for 9.0a may run.
  virtual int capability() const = 0;
  virtual Stream stream() const = 0;

  /// 256-byte aligned; null where there is not enough memory.
  virtual void* allocate(size_t bytes) = 0;
  /// Waits for work that may still use it.
  virtual void deallocate(void* p) = 0;
  virtual size_t free_bytes() const = 0;
  virtual size_t total_bytes() const = 0;

  /// Host memory that the device can copy from while the host goes on; null where there is none.
  virtual void* allocate_pinned(size_t bytes) = 0;
  virtual void deallocate_pinned(void* p) = 0;

  /// Queued. `host` must be pinned, and stay as it is until synchronize().
  virtual void copy_to_device(void* device, const void* host, size_t bytes) = 0;
  virtual void copy_to_host(void* host, const void* device, size_t bytes) = 0;
  /// Waits for the queue to be empty.
  virtual void synchronize() = 0;

  /// Between the two calls, work is recorded instead of queued; end_recording() queues all of it as
  /// one graph, which costs less than piece by piece. The graph of the last recording is kept and,
  /// where the next has the same shape, updated instead of built anew.
  virtual void begin_recording() = 0;
  virtual void end_recording() = 0;
};

}  // namespace dedit::cuda

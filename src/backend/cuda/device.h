// Device: what the CUDA backend asks of the driver. One implementation is a GPU
// (gpu/gpu_device.cpp); the tests have one in host memory, beside the emulated kernels.
#pragma once

#include <cstddef>
#include <cstdint>
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
  virtual int multiprocessors() const = 0;
  virtual Stream stream() const = 0;
  /// The calling thread works on this device from here on; before anything else that it does.
  virtual void make_current() = 0;

  /// 256-byte aligned; null where there is not enough memory.
  virtual void* allocate(size_t bytes) = 0;
  /// Waits for the queue to be empty. Not while recording.
  virtual void deallocate(void* p) = 0;
  virtual size_t free_bytes() const = 0;
  virtual size_t total_bytes() const = 0;

  /// Host memory that the device can copy from while the host goes on; null where there is none.
  virtual void* allocate_pinned(size_t bytes) = 0;
  virtual void deallocate_pinned(void* p) = 0;

  /// Queued. `host` must be pinned, and stay as it is until the work so far is done.
  virtual void copy_to_device(void* device, const void* host, size_t bytes) = 0;
  /// Queued; not while recording.
  virtual void copy_to_host(void* host, const void* device, size_t bytes) = 0;

  // Not while recording.
  /// A mark behind all work queued so far; later marks are larger. 0 is before everything.
  virtual uint64_t mark() = 0;
  virtual bool has_passed(uint64_t mark) = 0;
  /// Waits for the work before the mark.
  virtual void wait(uint64_t mark) = 0;
  /// Waits for the queue to be empty.
  virtual void synchronize() = 0;

  /// Between the two calls, work is recorded instead of queued; end_recording() queues all of it as
  /// one graph, which costs less than piece by piece. Graphs of earlier recordings are kept: one
  /// with the same kinds of work in the same order is updated instead of built anew.
  virtual void begin_recording() = 0;
  virtual void end_recording() = 0;
};

}  // namespace dedit::cuda

// Queue: a device's queue of work with what has to follow the order of that work: its memory,
// copies between host and device, scratch, and what is recorded.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "backend/cuda/device.h"
#include "backend/cuda/staging.h"

namespace dedit::cuda {

/// For any number of threads: each holds a Turn while it queues. Their work is done in the order of
/// their turns, so that scratch and memory that was given back can be used by the next.
///
/// Steps of a sampling loop are recorded and queued as a whole: from one end_of_step() to the next.
/// Whatever waits for results in between ends the recording. The first step after such a wait is
/// queued piece by piece, so that what happens once (memory, kernels that the driver loads when
/// they are first used) happens outside of recordings.
class Queue {
 public:
  /// Without `records` everything is queued piece by piece.
  Queue(std::unique_ptr<Device> device, bool records);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  class Turn {
   public:
    explicit Turn(Queue& queue) : lock_(queue.mutex_) { queue.device_->make_current(); }

   private:
    // Memory that is given back while an error passes through a turn takes another.
    std::lock_guard<std::recursive_mutex> lock_;
  };

  const Device& device() const { return *device_; }
  Stream stream() const { return device_->stream(); }

  /// Throws Error(kMemory).
  void* allocate(size_t bytes);
  /// Waits for everything.
  void deallocate(void* p) noexcept;

  /// Device memory for what is queued before the next call. Throws Error(kMemory).
  void* scratch(size_t bytes);

  /// Writes bytes [first, first + bytes) of what is to be copied.
  using Read = std::function<void(std::byte* to, size_t first, size_t bytes)>;
  /// Queues a copy of what `read` gives, which is called before this returns, piece by piece.
  void upload(const Read& read, size_t bytes, void* device);
  void upload(const void* host, size_t bytes, void* device);
  /// Waits for everything.
  void download(const void* device, size_t bytes, void* host);

  /// Queues what was recorded, waits for the step before it, and goes on recording: the host is at
  /// most a step ahead.
  void end_of_step();
  /// Queues what was recorded and waits for everything.
  void finish();

 private:
  void close_recording();

  const std::unique_ptr<Device> device_;
  const bool records_;
  std::recursive_mutex mutex_;
  Staging staging_;
  bool is_recording_ = false;
  uint64_t last_step_ = 0;  // a mark
  void* scratch_ = nullptr;
  size_t scratch_bytes_ = 0;
  std::vector<void*> outgrown_;  // scratch that queued work may still use
};

}  // namespace dedit::cuda

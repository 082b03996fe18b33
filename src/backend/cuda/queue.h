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
  struct Options {
    bool records = true;  ///< without, everything is queued piece by piece
    /// For messages, and for whoever puts weights into memory: see BackendOptions.
    bool low_memory = false;
  };
  Queue(std::unique_ptr<Device> device, const Options& options);
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
  const Options& options() const { return options_; }
  Stream stream() const { return device_->stream(); }

  /// Throws Error(kMemory).
  void* allocate(size_t bytes);
  /// Waits for everything.
  void deallocate(void* p) noexcept;
  /// Host memory to copy from and to without staging. Throws Error(kMemory).
  void* allocate_pinned(size_t bytes);
  /// Waits for everything.
  void deallocate_pinned(void* p) noexcept;

  /// Device memory for what is queued before the next call. Throws Error(kMemory).
  void* scratch(size_t bytes);
  /// The same, other memory: for weights that are not on the device.
  void* weight_slot(size_t bytes);

  /// Writes bytes [first, first + bytes) of what is to be copied.
  using Read = std::function<void(std::byte* to, size_t first, size_t bytes)>;
  /// Queues a copy of what `read` gives, which is called before this returns, piece by piece.
  void upload(const Read& read, size_t bytes, void* device);
  void upload(const void* host, size_t bytes, void* device);
  /// Waits for everything.
  void download(const void* device, size_t bytes, void* host);
  /// Queued, between memory of allocate_pinned() and the device. The order of the queue's work is
  /// what makes a copy out, its copy back and the use of that follow each other.
  void copy_to_pinned(void* pinned, const void* device, size_t bytes);
  void copy_from_pinned(void* device, const void* pinned, size_t bytes);

  /// Queues what was recorded, waits for the step before it, and goes on recording: the host is at
  /// most a step ahead.
  void end_of_step();
  /// Queues what was recorded and waits for everything.
  void finish();

 private:
  /// Device memory that grows.
  struct Slot {
    void* data = nullptr;
    size_t bytes = 0;
  };
  void* grow(Slot& slot, size_t bytes);
  void close_recording();

  const std::unique_ptr<Device> device_;
  const Options options_;
  std::recursive_mutex mutex_;
  Staging staging_;
  bool is_recording_ = false;
  uint64_t last_step_ = 0;  // a mark
  Slot scratch_, weight_slot_;
  std::vector<void*> outgrown_;  // slots that queued work may still use
};

}  // namespace dedit::cuda

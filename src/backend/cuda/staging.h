// Staging: pinned host memory on the way to the device and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "backend/cuda/device.h"

namespace dedit::cuda {

/// Hands out pieces of pinned blocks, which come back once the device is past the work that was
/// queued after them. Weights go through a few blocks in turn, so that one is filled while another
/// is copied; recorded work keeps its blocks until its graph has run.
class Staging {
 public:
  static constexpr size_t kBlockBytes = size_t{8} << 20;

  explicit Staging(Device& device) : device_(device) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// At most kBlockBytes; for work that is queued, or with `is_recording` recorded, before the next
  /// call. Throws Error(kMemory).
  std::byte* take(size_t bytes, bool is_recording);
  /// What was recorded is queued now.
  void after_recording();
  /// Takes back what the device is past. Not while recording.
  void reclaim();

 private:
  struct Block {
    std::byte* data = nullptr;
    size_t used = 0;
    uint64_t busy_until = 0;  // a mark
  };

  void close_current(bool is_recording);
  Block find_block(bool is_recording);

  Device& device_;
  Block current_;
  std::vector<Block> recorded_;  // full, their mark yet to come
  std::deque<Block> busy_;       // by mark
  std::vector<Block> free_;
  size_t n_blocks_ = 0;
};

}  // namespace dedit::cuda

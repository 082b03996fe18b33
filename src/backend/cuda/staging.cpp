#include "backend/cuda/staging.h"

#include "core/assert.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cuda {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kMostBlocks = 4;  // beyond, it waits for one; while recording it cannot

}  // namespace

Staging::~Staging() {
  const auto free = [this](const Block& b) {
    if (b.data) device_.deallocate_pinned(b.data);
  };
  free(current_);
  for (const Block& b : recorded_) free(b);
  for (const Block& b : busy_) free(b);
  for (const Block& b : free_) free(b);
}

std::byte* Staging::take(size_t bytes, bool is_recording) {
  DEDIT_ASSERT(bytes <= kBlockBytes);
  if (!current_.data || current_.used + bytes > kBlockBytes) {
    close_current(is_recording);
    current_ = find_block(is_recording);
  }
  std::byte* p = current_.data + current_.used;
  current_.used += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return p;
}

void Staging::after_recording() {
  if (current_.used > 0) close_current(/*is_recording=*/true);
  if (recorded_.empty()) return;
  const uint64_t mark = device_.mark();
  for (Block& b : recorded_) {
    b.busy_until = mark;
    busy_.push_back(b);
  }
  recorded_.clear();
}

void Staging::reclaim() {
  while (!busy_.empty() && device_.has_passed(busy_.front().busy_until)) {
    free_.push_back(busy_.front());
    busy_.pop_front();
  }
}

void Staging::close_current(bool is_recording) {
  if (!current_.data) return;
  if (is_recording) {
    recorded_.push_back(current_);
  } else {
    current_.busy_until = device_.mark();
    busy_.push_back(current_);
  }
  current_ = {};
}

Staging::Block Staging::find_block(bool is_recording) {
  if (!is_recording) {
    reclaim();
    if (free_.empty() && n_blocks_ >= kMostBlocks && !busy_.empty()) {
      device_.wait(busy_.front().busy_until);
      reclaim();
    }
  }
  Block block;
  if (!free_.empty()) {
    block = free_.back();
    free_.pop_back();
    block.used = 0;
    return block;
  }
  block.data = static_cast<std::byte*>(device_.allocate_pinned(kBlockBytes));
  if (!block.data) {
    throw Error(ErrorKind::kMemory,
                str("cuda: no ", kBlockBytes >> 20, " MiB of pinned host memory to copy through"),
                "close other programs, or use --device cpu");
  }
  ++n_blocks_;
  return block;
}

}  // namespace dedit::cuda

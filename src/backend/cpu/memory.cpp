#include "backend/cpu/memory.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cpu {

void* allocate_host(size_t bytes) {
  constexpr size_t kAlignment = 64, kLargest = size_t{1} << 48;
  const size_t rounded = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  void* p = bytes < kLargest ? std::aligned_alloc(kAlignment, rounded) : nullptr;
  if (!p) {
    throw Error(ErrorKind::kMemory, str("cpu: cannot allocate ", bytes >> 20, " MiB"),
                "use a smaller picture");
  }
  return p;
}

void HostFree::operator()(void* p) const {
  std::free(p);
}

void* HostMemory::allocate(size_t bytes) {
  return allocate_host(bytes);
}

void HostMemory::deallocate(void* p, size_t) {
  std::free(p);
}

ScratchPool::Lease::Lease(ScratchPool& pool, size_t bytes) : pool_(pool) {
  {
    const std::lock_guard lock(pool.mutex_);
    if (!pool.free_.empty()) {
      block_ = std::move(pool.free_.back());
      pool.free_.pop_back();
    }
  }
  if (block_.bytes < bytes) {
    block_.data.reset();
    block_.data = make_host_array<std::byte>(bytes);
    block_.bytes = bytes;
  }
}

ScratchPool::Lease::~Lease() {
  if (!block_.data) return;
  const std::lock_guard lock(pool_.mutex_);
  pool_.free_.push_back(std::move(block_));
}

}  // namespace dedit::cpu

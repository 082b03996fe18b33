#include "backend/cpu/memory.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cpu {

void* allocate_host(size_t bytes) {
  // Large blocks ask for pages of 2 MiB: the first touch of 256 MiB in pages of 4 KiB takes longer
  // than the convolution that fills them.
  constexpr size_t kLine = 64, kLargePage = 2 << 20, kLargest = size_t{1} << 48;
  const bool is_large = bytes >= 2 * kLargePage;
  const size_t alignment = is_large ? kLargePage : kLine;
  const size_t rounded = (std::max<size_t>(bytes, 1) + kLine - 1) / kLine * kLine;
  void* p = nullptr;
  if (bytes < kLargest && posix_memalign(&p, alignment, rounded) != 0) p = nullptr;
#if defined(__linux__)
  // Whole pages only: the rest of the last one is not ours. Only a hint, so no error matters.
  if (p && is_large) madvise(p, rounded / kLargePage * kLargePage, MADV_HUGEPAGE);
#endif
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

void will_need(const void* p, size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t kPage = 4096;
  const auto first = reinterpret_cast<uintptr_t>(p) / kPage * kPage;
  const auto end = reinterpret_cast<uintptr_t>(p) + bytes;
  madvise(reinterpret_cast<void*>(first), end - first, MADV_WILLNEED);
#else
  static_cast<void>(p), static_cast<void>(bytes);
#endif
}

size_t HostMemory::slab_bytes() const {
#if defined(__SANITIZE_ADDRESS__)
  return 0;  // a block each, so that the sanitizer sees what runs over its end
#else
  return sizeof(void*) >= 8 ? size_t{1} << 32 : 0;  // address space alone
#endif
}

// The smallest free block that is large enough, else the largest, which then grows.
ScratchPool::Lease::Lease(ScratchPool& pool, size_t bytes) : pool_(pool) {
  {
    const std::lock_guard lock(pool.mutex_);
    auto best = pool.free_.end();
    for (auto b = pool.free_.begin(); b != pool.free_.end(); ++b) {
      const bool is_better = best == pool.free_.end() || best->bytes < bytes
                                 ? best == pool.free_.end() || b->bytes > best->bytes
                                 : b->bytes >= bytes && b->bytes < best->bytes;
      if (is_better) best = b;
    }
    if (best != pool.free_.end()) {
      block_ = std::move(*best);
      pool.free_.erase(best);
    }
  }
  if (block_.bytes < bytes) {
    block_.data.reset();
    block_.bytes = 0;
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

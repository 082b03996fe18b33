// Host memory of the CPU backend, and scratch that is kept between calls.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "core/pool.h"

namespace dedit::cpu {

class HostMemory : public MemoryResource {
 public:
  void* allocate(size_t bytes) override;
  void deallocate(void* p, size_t bytes) override;
  size_t slab_bytes() const override;
};

/// Owns 64-byte aligned host memory.
struct HostFree {
  void operator()(void* p) const;
};
template <class T>
using HostArray = std::unique_ptr<T[], HostFree>;

/// Uninitialised; throws Error(kMemory).
void* allocate_host(size_t bytes);
template <class T>
HostArray<T> make_host_array(size_t n) {
  return HostArray<T>(static_cast<T*>(allocate_host(n * sizeof(T))));
}

/// Asks for mapped memory to be read ahead: a hint, and nothing where it is in memory already.
void will_need(const void* p, size_t bytes);

/// Scratch blocks for calls from any number of threads: a call takes one block and returns it.
class ScratchPool {
 public:
  class Lease {
   public:
    Lease(ScratchPool& pool, size_t bytes);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    std::byte* data() const { return block_.data.get(); }

   private:
    friend class ScratchPool;
    struct Block {
      HostArray<std::byte> data;
      size_t bytes = 0;
    };
    ScratchPool& pool_;
    Block block_;
  };

 private:
  std::mutex mutex_;
  std::vector<Lease::Block> free_;
};

}  // namespace dedit::cpu

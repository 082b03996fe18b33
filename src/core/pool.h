// Pool: activations come from here and return here, so a steady state allocates nothing.
#pragma once

#include <cstddef>
#include <memory>

#include "core/tensor.h"

namespace dedit {

/// Where a pool gets its memory: a backend's device.
class MemoryResource {
 public:
  virtual ~MemoryResource() = default;
  /// 64-byte aligned; throws Error(kMemory).
  virtual void* allocate(size_t bytes) = 0;
  virtual void deallocate(void* p, size_t bytes) = 0;
  /// What a pool should take at a time at least. More than it will use where memory costs nothing
  /// until it is touched; 0 where it does.
  virtual size_t slab_bytes() const { return 0; }
};

/// First fit at the lowest address, in slabs of the resource's memory: what is freed joins its free
/// neighbours, so that layers of other sizes use the memory that earlier ones have touched. One
/// thread only. Handles may outlive the pool, and then keep its memory.
class Pool {
 public:
  /// `memory` must outlive the pool and every tensor made from it.
  explicit Pool(MemoryResource& memory);

  /// Uninitialised. Throws Error(kMemory), if giving back slabs that nobody uses did not help.
  Tensor make(const Shape& shape, DType dtype);

  size_t n_slabs() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dedit

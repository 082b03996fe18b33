// Pool: activations come from here and return here, so a steady state allocates nothing.
#pragma once

#include <cstddef>
#include <map>
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
};

/// Best fit: a cached block serves a request if it is less than twice as large. One thread only.
/// Handles may outlive the pool; their memory then goes straight back to the resource.
class Pool {
 public:
  /// `memory` must outlive the pool and every tensor made from it.
  explicit Pool(MemoryResource& memory);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Uninitialised.
  Tensor make(const Shape& shape, DType dtype);
  /// Gives cached blocks back to the resource.
  void trim();

  size_t peak_bytes() const;     ///< most bytes held at once, cached blocks included
  size_t n_allocations() const;  ///< calls to the resource so far

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dedit

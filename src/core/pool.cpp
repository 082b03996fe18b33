#include "core/pool.h"

#include <algorithm>
#include <utility>

namespace dedit {

struct Pool::State {
  explicit State(MemoryResource& m) : memory(m) {}
  MemoryResource& memory;
  std::multimap<size_t, void*> free_blocks;  // by size
  size_t held = 0;
  size_t peak = 0;
  size_t n_allocations = 0;
  bool closed = false;

  void trim() {
    for (auto& [bytes, p] : free_blocks) {
      memory.deallocate(p, bytes);
      held -= bytes;
    }
    free_blocks.clear();
  }
};

Pool::Pool(MemoryResource& memory) : state_(std::make_shared<State>(memory)) {}

Pool::~Pool() {
  state_->closed = true;
  state_->trim();
}

Tensor Pool::make(const Shape& shape, DType dtype) {
  const size_t wanted =
      (std::max<size_t>(size_t(shape.numel()) * size_of(dtype), 1) + 63) / 64 * 64;
  State& s = *state_;
  auto block = std::make_unique<Buffer>();
  const auto it = s.free_blocks.lower_bound(wanted);
  if (it != s.free_blocks.end() && it->first < 2 * wanted) {
    *block = {it->second, it->first};
    s.free_blocks.erase(it);
  } else {
    *block = {s.memory.allocate(wanted), wanted};
    s.held += wanted;
    s.peak = std::max(s.peak, s.held);
    ++s.n_allocations;
  }
  const auto give_back = [state = state_](Buffer* b) {
    if (state->closed) {
      state->memory.deallocate(b->data, b->bytes);
    } else {
      state->free_blocks.emplace(b->bytes, b->data);
    }
    delete b;
  };
  return Tensor(std::shared_ptr<Buffer>(block.release(), give_back), shape, dtype);
}

void Pool::trim() {
  state_->trim();
}
size_t Pool::peak_bytes() const {
  return state_->peak;
}
size_t Pool::n_allocations() const {
  return state_->n_allocations;
}

}  // namespace dedit

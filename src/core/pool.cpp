#include "core/pool.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <vector>

#include "dedit/error.h"

namespace dedit {
namespace {

class Slab {
 public:
  Slab(MemoryResource& memory, size_t bytes)
      : memory_(memory),
        bytes_(bytes),
        base_(static_cast<std::byte*>(memory.allocate(bytes))),
        free_{{0, bytes}} {}
  ~Slab() { memory_.deallocate(base_, bytes_); }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  bool is_unused() const { return free_.size() == 1 && free_.begin()->second == bytes_; }

  /// Null if there is no room.
  std::byte* take(size_t bytes) {
    const auto fits = [&](const auto& gap) { return gap.second >= bytes; };
    const auto gap = std::find_if(free_.begin(), free_.end(), fits);
    if (gap == free_.end()) return nullptr;
    const auto [at, size] = *gap;
    free_.erase(gap);
    if (size > bytes) free_.emplace(at + bytes, size - bytes);
    return base_ + at;
  }

  void give_back(const std::byte* p, size_t bytes) {
    auto gap = free_.emplace(size_t(p - base_), bytes).first;
    if (const auto next = std::next(gap); next != free_.end() && end_of(gap) == next->first) {
      gap->second += next->second;
      free_.erase(next);
    }
    if (gap == free_.begin()) return;
    if (const auto previous = std::prev(gap); end_of(previous) == gap->first) {
      previous->second += gap->second;
      free_.erase(gap);
    }
  }

 private:
  using Gaps = std::map<size_t, size_t>;  // offset, bytes
  static size_t end_of(Gaps::const_iterator gap) { return gap->first + gap->second; }

  MemoryResource& memory_;
  const size_t bytes_;
  std::byte* const base_;
  Gaps free_;
};

}  // namespace

struct Pool::State {
  explicit State(MemoryResource& m) : memory(m) {}
  MemoryResource& memory;
  std::vector<std::unique_ptr<Slab>> slabs;

  /// Whether there were any: what one network used may be of no use to the next.
  bool drop_unused() {
    return std::erase_if(slabs, [](const auto& slab) { return slab->is_unused(); }) > 0;
  }

  /// A slab of the resource's size, or of what it can still give.
  Slab& add_slab(size_t wanted) {
    for (size_t bytes = std::max(wanted, memory.slab_bytes());;
         bytes = std::max(wanted, bytes / 2)) {
      try {
        return *slabs.emplace_back(std::make_unique<Slab>(memory, bytes));
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::kMemory) throw;
        if (bytes == wanted && !drop_unused()) throw;
      }
    }
  }
};

Pool::Pool(MemoryResource& memory) : state_(std::make_shared<State>(memory)) {}

Tensor Pool::make(const Shape& shape, DType dtype) {
  const size_t bytes = (std::max<size_t>(size_t(shape.numel()) * size_of(dtype), 1) + 63) / 64 * 64;
  Slab* slab = nullptr;
  std::byte* data = nullptr;
  for (size_t i = 0; i < state_->slabs.size() && !data; ++i) {
    slab = state_->slabs[i].get();
    data = slab->take(bytes);
  }
  if (!data) {
    slab = &state_->add_slab(bytes);
    data = slab->take(bytes);
  }
  const auto give_back = [state = state_, slab](Buffer* b) {
    slab->give_back(static_cast<const std::byte*>(b->data), b->bytes);
    delete b;
  };
  return Tensor(std::shared_ptr<Buffer>(new Buffer{data, bytes}, give_back), shape, dtype);
}

size_t Pool::n_slabs() const {
  return state_->slabs.size();
}

}  // namespace dedit

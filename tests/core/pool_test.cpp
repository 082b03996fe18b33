#include "core/pool.h"

#include <cstdlib>
#include <optional>

#include <gtest/gtest.h>

#include "dedit/error.h"

namespace dedit {
namespace {

class CountedMemory : public MemoryResource {
 public:
  explicit CountedMemory(size_t slab, size_t limit = size_t{1} << 40)
      : slab_(slab), limit_(limit) {}
  void* allocate(size_t bytes) override {
    if (held + bytes > limit_) throw Error(ErrorKind::kMemory, "no memory");
    held += bytes;
    return std::aligned_alloc(64, bytes);
  }
  void deallocate(void* p, size_t bytes) override {
    held -= bytes;
    std::free(p);
  }
  size_t slab_bytes() const override { return slab_; }

  size_t held = 0;

 private:
  size_t slab_, limit_;
};

TEST(Pool, FreedNeighboursServeALargerRequest) {
  CountedMemory memory(1 << 20);
  Pool pool(memory);
  std::optional<Tensor> a = pool.make({1000}, DType::kF32), b = pool.make({3000}, DType::kF32);
  const Tensor c = pool.make({10}, DType::kF32);
  const void* first = a->raw();
  a.reset();
  b.reset();
  EXPECT_EQ(pool.make({4000}, DType::kF32).raw(), first);
  std::optional<Tensor> d = pool.make({2000}, DType::kF32), e = pool.make({2000}, DType::kF32);
  EXPECT_EQ(d->raw(), first);
  e.reset();  // frees the later one first
  d.reset();
  EXPECT_EQ(pool.make({4000}, DType::kF32).raw(), first);
  EXPECT_EQ(pool.n_slabs(), 1u);
}

TEST(Pool, BlocksDoNotOverlapAndAreAligned) {
  CountedMemory memory(1 << 16);
  Pool pool(memory);
  std::vector<Tensor> held;
  for (int i = 0; i < 200; ++i) {
    held.push_back(pool.make({1 + i * 7}, DType::kF32));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(held.back().raw()) % 64, 0u);
    for (int64_t j = 0; j < held.back().numel(); ++j) held.back().data<float>()[j] = float(i);
    if (i % 3 == 0) held.erase(held.begin() + i / 5);
  }
  for (const Tensor& t : held) {
    EXPECT_EQ(t.data<float>()[0], t.data<float>()[t.numel() - 1]);
  }
  EXPECT_GT(pool.n_slabs(), 1u);
}

TEST(Pool, ASteadyStateTakesNothingFromTheResource) {
  CountedMemory memory(0);
  Pool pool(memory);
  const auto step = [&] {
    const Tensor a = pool.make({5000}, DType::kF32);
    const Tensor b = pool.make({7000}, DType::kF32);
  };
  step();
  const size_t slabs = pool.n_slabs(), held = memory.held;
  for (int i = 0; i < 10; ++i) step();
  EXPECT_EQ(pool.n_slabs(), slabs);
  EXPECT_EQ(memory.held, held);
}

TEST(Pool, ASlabThatDoesNotFitIsTakenSmaller) {
  CountedMemory memory(1 << 20, 100'000);
  Pool pool(memory);
  const Tensor a = pool.make({10'000}, DType::kF32);
  EXPECT_LE(memory.held, 100'000u);
  EXPECT_THROW(pool.make({30'000}, DType::kF32), Error);
}

TEST(Pool, SlabsThatNobodyUsesMakeRoomForALargerOne) {
  CountedMemory memory(0, 100'000);
  Pool pool(memory);
  const Tensor kept = pool.make({100}, DType::kF32);
  { const Tensor a = pool.make({10'000}, DType::kF32), b = pool.make({10'000}, DType::kF32); }
  EXPECT_EQ(pool.n_slabs(), 3u);
  const Tensor large = pool.make({24'000}, DType::kF32);
  EXPECT_EQ(pool.n_slabs(), 2u);
  EXPECT_THROW(pool.make({1'000}, DType::kF32), Error);
}

TEST(Pool, HandlesMayOutliveThePool) {
  CountedMemory memory(1 << 16);
  {
    Tensor t;
    {
      Pool pool(memory);
      t = pool.make({100}, DType::kF32);
    }
    t.data<float>()[99] = 1;
    EXPECT_GT(memory.held, 0u);
  }
  EXPECT_EQ(memory.held, 0u);
}

}  // namespace
}  // namespace dedit

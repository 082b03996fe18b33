#include "support/simt_emulator.h"

#include <bit>
#include <boost/context/fiber.hpp>
#include <boost/context/stack_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "core/parallel.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace dedit::simt {
namespace {

namespace context = boost::context;

constexpr int kLanes = 32;
constexpr size_t kStackBytes = 128 << 10;
constexpr int kNamedBarriers = 16;

// Stacks of fibers, kept for the next block of this core.
class Stacks {
 public:
  context::stack_context allocate() {
    if (free_.empty()) free_.emplace_back(new std::byte[kStackBytes]);
    std::byte* stack = free_.back().release();
    free_.pop_back();
#ifdef __SANITIZE_ADDRESS__
    ASAN_UNPOISON_MEMORY_REGION(stack, kStackBytes);  // what the last fiber left
#endif
    context::stack_context sctx;
    sctx.size = kStackBytes;
    sctx.sp = stack + kStackBytes;  // stacks grow downwards
    return sctx;
  }
  void deallocate(context::stack_context& sctx) {
    free_.emplace_back(static_cast<std::byte*>(sctx.sp) - kStackBytes);
  }

 private:
  std::vector<std::unique_ptr<std::byte[]>> free_;
};

thread_local Stacks stacks;

struct PooledStack {
  context::stack_context allocate() { return stacks.allocate(); }
  void deallocate(context::stack_context& sctx) { stacks.deallocate(sctx); }
};

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};

struct Barrier {
  int arrived = 0;
  int64_t passed = 0;
};

struct Block;

struct Thread {
  Block* block = nullptr;
  Indices at;
  int warp = 0, lane = 0;
  bool done = false;
  context::fiber fiber, scheduler;
  // What it waits for, on its own stack; null if it may go on.
  bool (*ready)(const void*) = nullptr;
  const void* ready_context = nullptr;
  std::vector<Copy> open_copies;
  std::vector<std::vector<Copy>> copy_groups;
  int64_t exchanges = 0;
  std::shared_ptr<void> state;
};

struct Warp {
  std::vector<Thread*> lanes;
  uint32_t live = 0;     // a bit a lane that has not ended
  uint32_t meeting = 0;  // the mask of the lanes that meet
  Barrier barrier;
  alignas(kExchangeBytes) std::byte slots[2][kLanes][kExchangeBytes];
};

struct Cluster;

struct Block {
  Cluster* cluster = nullptr;
  int rank = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  Barrier barrier, named[kNamedBarriers];
  int live = 0;
  std::unique_ptr<std::byte[]> shared;
  std::byte* shared_start = nullptr;
  std::shared_ptr<void> state;
};

struct Cluster {
  std::vector<std::unique_ptr<Block>> blocks;
  Barrier barrier;
  int live() const {
    int n = 0;
    for (const auto& b : blocks) n += b->live;
    return n;
  }
};

bool reversed = false;
thread_local Block* block = nullptr;
thread_local Thread* self = nullptr;

void pause() {
  self->scheduler = std::move(self->scheduler).resume();
}

template <class Ready>
void wait_for(const Ready& ready) {
  if (ready()) return;
  self->ready = [](const void* context) { return (*static_cast<const Ready*>(context))(); };
  self->ready_context = &ready;
  pause();
}

// Arrives and waits for the others; `expected` may shrink while threads end.
template <class Expected>
void arrive_and_wait(Barrier& barrier, const Expected& expected) {
  const int64_t mine = barrier.passed;
  ++barrier.arrived;
  wait_for([&barrier, mine, expected] {
    if (barrier.passed != mine) return true;
    if (barrier.arrived < expected()) return false;
    barrier.arrived = 0;
    ++barrier.passed;
    return true;
  });
}

void finish(Copy& copy) {
  if (copy.from) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  } else {
    std::memset(copy.to, 0, copy.bytes);
  }
}

// One turn of a thread; false if it cannot go on yet.
bool turn(Thread& thread) {
  if (thread.done) return false;
  block = thread.block;
  if (thread.ready && !thread.ready(thread.ready_context)) return false;
  thread.ready = nullptr;
  self = &thread;
  thread.fiber = std::move(thread.fiber).resume();
  self = nullptr;
  if (!thread.fiber) {
    thread.done = true;
    --block->live;
    block->warps[size_t(thread.warp)].live &= ~(1u << thread.lane);
  }
  return true;
}

// A warp goes on while it can, so that lanes meet without a round through the whole block.
bool run_warp(Warp& warp) {
  bool any = false;
  for (bool progress = true; progress;) {
    progress = false;
    for (int i = 0; i < int(warp.lanes.size()); ++i) {
      const int at = reversed ? int(warp.lanes.size()) - 1 - i : i;
      progress |= turn(*warp.lanes[size_t(at)]);
    }
    any |= progress;
  }
  return any;
}

void start(Thread& thread, const std::function<void()>& body) {
  thread.fiber = context::fiber(std::allocator_arg, PooledStack{},
                                [t = &thread, &body](context::fiber&& scheduler) {
                                  t->scheduler = std::move(scheduler);
                                  body();
                                  return std::move(t->scheduler);
                                });
}

void make_threads(Block& b, const dim3& size, const std::function<void()>& body) {
  b.threads = std::vector<Thread>(size_t(size.x) * size.y * size.z);
  b.live = int(b.threads.size());
  b.warps.resize(size_t(b.live + kLanes - 1) / kLanes);
  for (unsigned i = 0; i < unsigned(b.live); ++i) {
    Thread& thread = b.threads[i];
    thread.block = &b;
    thread.at.thread = dim3(i % size.x, i / size.x % size.y, i / size.x / size.y);
    thread.at.block_size = size;
    thread.warp = int(i) / kLanes;
    thread.lane = int(i) % kLanes;
    Warp& warp = b.warps[size_t(thread.warp)];
    warp.lanes.push_back(&thread);
    warp.live |= 1u << thread.lane;
    start(thread, body);
  }
}

std::unique_ptr<Block> make_block(const dim3& blocks, const dim3& threads, size_t shared_bytes,
                                  int64_t index, const std::function<void()>& body) {
  constexpr size_t kAlignment = 1024;
  auto b = std::make_unique<Block>();
  make_threads(*b, threads, body);
  const auto i = unsigned(index);
  for (Thread& thread : b->threads) {
    thread.at.block = dim3(i % blocks.x, i / blocks.x % blocks.y, i / blocks.x / blocks.y);
    thread.at.grid_size = blocks;
  }
  // Not cleared on a GPU either: 0xff is NaN in every type, so that what nobody wrote shows.
  size_t space = shared_bytes + kAlignment;
  b->shared.reset(new std::byte[space]);
  void* start = b->shared.get();
  b->shared_start = static_cast<std::byte*>(std::align(kAlignment, shared_bytes, start, space));
  std::memset(b->shared_start, 0xff, shared_bytes);
  return b;
}

void run_cluster(Cluster& cluster) {
  for (auto& b : cluster.blocks) {
    b->cluster = &cluster;
    b->rank = int(&b - cluster.blocks.data());
  }
  while (cluster.live() > 0) {
    bool progress = false;
    for (auto& b : cluster.blocks) {
      for (size_t w = 0; w < b->warps.size(); ++w) {
        progress |= run_warp(b->warps[reversed ? b->warps.size() - 1 - w : w]);
      }
    }
    if (!progress) fail("the threads of a block wait for each other");
  }
  block = nullptr;
}

Block& block_of(int rank) {
  if (rank < 0 || rank >= int(block->cluster->blocks.size())) fail("no such block in the cluster");
  Block& b = *block->cluster->blocks[size_t(rank)];
  if (b.live == 0) fail("use of a block of the cluster that has ended");
  return b;
}

Warp& my_warp() {
  return block->warps[size_t(self->warp)];
}

}  // namespace

void fail(const char* why) {
  std::fprintf(stderr, "simt: %s\n", why);
  std::abort();
}

void run(const dim3& blocks, const dim3& threads, size_t shared_bytes, int cluster,
         const std::function<void()>& thread) {
  constexpr size_t kMostShared = 227 << 10, kMostThreads = 1024, kMostYz = 65535;
  if (size_t(threads.x) * threads.y * threads.z > kMostThreads) fail("too many threads a block");
  if (shared_bytes > kMostShared) fail("too much shared memory");
  if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) fail("an empty grid");
  if (blocks.y > kMostYz || blocks.z > kMostYz) fail("a grid too large in y or z");
  if (cluster < 1 || int(blocks.x) % cluster != 0) fail("a grid of no whole number of clusters");
  const int64_t n = int64_t(blocks.x) * blocks.y * blocks.z / cluster;
  parallel_for(n, [&](int64_t i) {
    const int64_t first = (reversed ? n - 1 - i : i) * cluster;
    Cluster c;
    for (int rank = 0; rank < cluster; ++rank) {
      c.blocks.push_back(make_block(blocks, threads, shared_bytes, first + rank, thread));
    }
    run_cluster(c);
  });
}

void submit(void* stream, std::function<void()> work) {
  if (stream) return static_cast<WorkQueue*>(stream)->push(std::move(work));
  work();
}

void set_reverse(bool reverse) {
  reversed = reverse;
}

const Indices& indices() {
  return self->at;
}

std::byte* dynamic_shared() {
  return block->shared_start;
}

int cluster_rank() {
  return block->rank;
}

std::byte* dynamic_shared(int rank) {
  return block_of(rank).shared_start;
}

void sync_cluster() {
  Cluster* cluster = block->cluster;
  arrive_and_wait(cluster->barrier, [cluster] { return cluster->live(); });
}

std::shared_ptr<void>& block_state(int rank) {
  return block_of(rank).state;
}

std::shared_ptr<void>& thread_state() {
  return self->state;
}

bool is_reversed() {
  return reversed;
}

int lane() {
  return self->lane;
}

void wait_until(const std::function<bool()>& ready) {
  wait_for(ready);
}

void sync_block() {
  arrive_and_wait(block->barrier, [] { return block->live; });
}

void sync_named(int barrier, int count) {
  if (barrier < 0 || barrier >= kNamedBarriers) fail("no such barrier");
  arrive_and_wait(block->named[barrier], [count] { return count; });
}

void sync_warp(uint32_t mask) {
  Warp& warp = my_warp();
  if ((mask >> self->lane & 1) == 0) fail("a lane that is not in its own mask");
  if (warp.barrier.arrived > 0 && warp.meeting != mask) fail("lanes that meet under two masks");
  warp.meeting = mask;
  arrive_and_wait(warp.barrier, [&warp, mask] { return std::popcount(mask & warp.live); });
}

// Two sets of slots in turn: who is one exchange ahead does not overwrite what others still read.
void exchange(uint32_t mask, const void* mine, size_t bytes, int source, void* theirs) {
  if (bytes > kExchangeBytes) fail("too much in one exchange");
  auto& slots = my_warp().slots[self->exchanges++ % 2];
  std::memcpy(slots[self->lane], mine, bytes);
  sync_warp(mask);
  std::memcpy(theirs, slots[source], bytes);
}

const std::byte* meet(const void* mine, size_t bytes) {
  if (bytes > kExchangeBytes) fail("too much in one exchange");
  auto& slots = my_warp().slots[self->exchanges++ % 2];
  std::memcpy(slots[self->lane], mine, bytes);
  sync_warp();
  return slots[0];
}

void gather(const void* mine, size_t bytes, void* all) {
  const std::byte* slots = meet(mine, bytes);
  for (size_t i = 0; i < kLanes; ++i) {
    std::memcpy(static_cast<std::byte*>(all) + i * bytes, slots + i * kExchangeBytes, bytes);
  }
}

void load_matrices(uint32_t (&r)[4], const void* row, bool transposed) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0)
    fail("ldmatrix of an address that is no multiple of 16");
  const void* rows[kLanes];
  gather(&row, sizeof row, rows);
  const int group = self->lane / 4, t = self->lane % 4;
  for (int m = 0; m < 4; ++m) {
    uint16_t pair[2];
    for (int i = 0; i < 2; ++i) {
      const int from_row = transposed ? 2 * t + i : group, column = transposed ? group : 2 * t + i;
      std::memcpy(&pair[i], static_cast<const uint16_t*>(rows[m * 8 + from_row]) + column, 2);
    }
    r[m] = pair[0] | uint32_t(pair[1]) << 16;
  }
}

void copy_async(void* shared, const void* from, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(shared) % bytes != 0 ||
      reinterpret_cast<uintptr_t>(from) % bytes != 0) {
    fail("cp.async of an address that is no multiple of its size");
  }
  self->open_copies.push_back({shared, from, bytes});
}

void copy_async_commit() {
  self->copy_groups.push_back(std::move(self->open_copies));
  self->open_copies.clear();
}

void copy_async_wait(int groups_left) {
  while (int(self->copy_groups.size()) > groups_left) {
    for (Copy& copy : self->copy_groups.front()) finish(copy);
    self->copy_groups.erase(self->copy_groups.begin());
  }
}

}  // namespace dedit::simt

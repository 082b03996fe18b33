#include "support/simt_hopper.h"

#include <array>
#include <bit>
#include <deque>
#include <limits>
#include <map>
#include <vector>

#include "support/simt_emulator.h"

namespace dedit::simt {
namespace {

constexpr size_t kElement = 2, kChunk = 16, kSwizzleRow = 128, kSwizzleAtom = 1024;

// Where the 128-byte swizzle puts a byte: chunk (of 16) ^ row (of 128), in every 1024 bytes.
uint32_t swizzled(uint32_t address) {
  return address ^ (address >> 7 & 7) << 4;
}

struct BoxCopy {
  std::byte* block;  // whose shared memory begins here
  uint32_t to;
  TensorMap map;
  std::array<int, 4> at;
};

struct MemoryBarrier {
  int arrivals = 0, missing = 0;
  int64_t phase = 0;
  int64_t expected = 0, queued = 0;  // bytes of this phase
  std::vector<BoxCopy> copies = {};
};

// Of a block.
struct Barriers {
  std::map<uint32_t, MemoryBarrier> of;  // by address
  Barriers() = default;
  Barriers(const Barriers&) = delete;
  Barriers& operator=(const Barriers&) = delete;
  ~Barriers() {
    for (const auto& [address, barrier] : of) {
      if (!barrier.copies.empty()) fail("a block ended before its bulk copies");
      if (barrier.missing != barrier.arrivals) fail("a block ended within a barrier's phase");
    }
  }
};

Barriers& barriers(int rank) {
  auto& state = block_state(rank);
  if (!state) state = std::make_shared<Barriers>();
  return *static_cast<Barriers*>(state.get());
}

MemoryBarrier& find(const uint64_t* barrier, int rank = cluster_rank()) {
  auto& of = barriers(rank).of;
  const auto it = of.find(shared_address(barrier));
  if (it == of.end()) fail("a barrier that was not initialised");
  return it->second;
}

void copy_box(const BoxCopy& copy) {
  const TensorMap& m = copy.map;
  uint32_t to = copy.to;
  const auto taken = [&m](int i) { return (m.box[i] + m.step[i] - 1) / m.step[i]; };
  for (int i3 = 0; i3 < taken(3); ++i3) {
    for (int i2 = 0; i2 < taken(2); ++i2) {
      for (int i1 = 0; i1 < taken(1); ++i1) {
        const int64_t p1 = copy.at[1] + i1 * m.step[1], p2 = copy.at[2] + i2 * m.step[2];
        const int64_t p3 = copy.at[3] + i3 * m.step[3];
        const bool inside =
            p1 >= 0 && p1 < m.sizes[1] && p2 >= 0 && p2 < m.sizes[2] && p3 >= 0 && p3 < m.sizes[3];
        for (int i0 = 0; i0 < m.box[0]; ++i0, to += kElement) {
          const int64_t p0 = copy.at[0] + i0;
          std::byte* slot = copy.block + swizzled(to);
          if (inside && p0 >= 0 && p0 < m.sizes[0]) {
            const int64_t index = ((p3 * m.sizes[2] + p2) * m.sizes[1] + p1) * m.sizes[0] + p0;
            std::memcpy(slot, m.base + index * int64_t(kElement), kElement);
          } else {
            std::memset(slot, 0, kElement);
          }
        }
      }
    }
  }
}

// Ends the phase if everything it counts has come.
void settle(MemoryBarrier& b) {
  if (b.missing > 0 || b.queued != b.expected) return;
  for (const BoxCopy& copy : b.copies) copy_box(copy);
  b.copies.clear();
  b.expected = b.queued = 0;
  b.missing = b.arrivals;
  ++b.phase;
}

void arrive(MemoryBarrier& b, int64_t bytes) {
  settle(b);
  if (b.missing == 0) fail("more arrivals at a barrier than its phase takes");
  --b.missing;
  b.expected += bytes;
  if (b.copies.empty()) settle(b);
}

struct Product {
  float* d;
  int n;
  uint64_t a, b;
  bool add, bf16;
};

struct Sums {
  std::vector<float> values;
  int open = 0;  // products that add to them
};

// Of a thread.
struct Products {
  bool fenced = false;
  std::vector<Product> open;
  std::deque<std::vector<Product>> groups;
  std::map<float*, Sums> sums;
};

Products& products() {
  if (!thread_state()) thread_state() = std::make_shared<Products>();
  return *static_cast<Products*>(thread_state().get());
}

float value_of(uint16_t bits, bool bf16) {
  if (bf16) return std::bit_cast<float>(uint32_t(bits) << 16);
  static const std::vector<float> halves = [] {
    std::vector<float> v(size_t{1} << 16);
    for (size_t i = 0; i < v.size(); ++i) v[i] = float(std::bit_cast<_Float16>(uint16_t(i)));
    return v;
  }();
  return halves[bits];
}

// Row `row` (16 elements) of a matrix of 8-row groups, each 8 x 128 bytes, swizzled.
void read_row(float (&v)[16], uint64_t descriptor, int row, bool bf16) {
  constexpr uint64_t kField = 0x3fff;
  if (descriptor >> 62 != 1) fail("a descriptor without the 128-byte swizzle");
  if ((descriptor >> 49 & 7) != 0) fail("a descriptor with a base offset");
  const auto start = uint32_t((descriptor & kField) << 4);
  const auto group = uint32_t((descriptor >> 32 & kField) << 4);
  const uint32_t at = start + uint32_t(row / 8) * group + uint32_t(row % 8) * kSwizzleRow;
  for (uint32_t half = 0; half < 2; ++half) {
    uint16_t bits[8];
    std::memcpy(bits, dynamic_shared() + swizzled(at + half * kChunk), kChunk);
    for (uint32_t i = 0; i < 8; ++i) v[half * 8 + i] = value_of(bits[i], bf16);
  }
}

void finish(const Product& p, float* sums) {
  const int warp = int(indices().thread.x) / 32 % 4, group = lane() / 4, t = lane() % 4;
  float a[2][16], b[16];
  for (int i = 0; i < 2; ++i) read_row(a[i], p.a, warp * 16 + group + i * 8, p.bf16);
  for (int eight = 0; eight < p.n / 8; ++eight) {
    for (int j = 0; j < 2; ++j) {
      read_row(b, p.b, eight * 8 + 2 * t + j, p.bf16);
      for (int i = 0; i < 2; ++i) {
        float& sum = sums[eight * 4 + i * 2 + j];
        if (!p.add) sum = 0;
        for (int k = 0; k < 16; ++k) sum += a[i][k] * b[k];
      }
    }
  }
}

}  // namespace

uint32_t shared_address(const void* p) {
  return uint32_t(static_cast<const std::byte*>(p) - dynamic_shared());
}

void barrier_init(uint64_t* barrier, int arrivals) {
  barriers(cluster_rank()).of[shared_address(barrier)] = {.arrivals = arrivals,
                                                          .missing = arrivals};
}

void barrier_arrive(uint64_t* barrier, int64_t bytes) {
  arrive(find(barrier), bytes);
}

void barrier_arrive_at(uint64_t* barrier, int rank) {
  arrive(find(barrier, rank), 0);
}

void barrier_wait(uint64_t* barrier, int parity) {
  MemoryBarrier& b = find(barrier);
  wait_until([&b, parity] {
    settle(b);
    return b.phase % 2 != parity;
  });
}

void load_box(void* shared, const TensorMap& map, const int (&at)[4], uint64_t* barrier,
              uint32_t blocks) {
  if (shared_address(shared) % kSwizzleAtom != 0) fail("a box that does not begin a swizzle atom");
  if (reinterpret_cast<uintptr_t>(map.base) % kChunk != 0) fail("a tensor that is not aligned");
  if (map.sizes[0] % 8 != 0) fail("rows of a tensor that are no multiple of 16 bytes");
  if (map.box[0] * kElement != kSwizzleRow) fail("a box that is not as wide as the swizzle");
  int64_t bytes = kSwizzleRow;
  for (int i = 1; i < 4; ++i) {
    if (map.box[i] < 1 || map.box[i] > 256) fail("a box of more than 256 elements a side");
    bytes *= (map.box[i] + map.step[i] - 1) / map.step[i];
  }
  for (int rank = 0; blocks >> rank != 0; ++rank) {
    if ((blocks >> rank & 1) == 0) continue;
    MemoryBarrier& b = find(barrier, rank);
    b.queued += bytes;
    b.copies.push_back(
        {dynamic_shared(rank), shared_address(shared), map, {at[0], at[1], at[2], at[3]}});
    if (!is_reversed()) continue;
    copy_box(b.copies.back());
    b.copies.pop_back();
    settle(b);
  }
}

void wgmma_fence() {
  products().fenced = true;
}

void wgmma(float* d, int n, uint64_t a, uint64_t b, bool add, bool bf16) {
  Products& mine = products();
  if (!mine.fenced) fail("wgmma without a fence after its sums were last used");
  Sums& sums = mine.sums[d];
  if (sums.open++ == 0) {
    sums.values.assign(d, d + n / 2);
    for (int i = 0; i < n / 2; ++i) d[i] = std::numeric_limits<float>::quiet_NaN();
  }
  mine.open.push_back({d, n, a, b, add, bf16});
}

void wgmma_commit() {
  products().groups.push_back(std::move(products().open));
  products().open.clear();
}

void wgmma_wait(int groups_left) {
  Products& mine = products();
  sync_warp();
  while (int(mine.groups.size()) > groups_left) {
    for (const Product& p : mine.groups.front()) {
      Sums& sums = mine.sums[p.d];
      finish(p, sums.values.data());
      if (--sums.open == 0) {
        std::copy(sums.values.begin(), sums.values.end(), p.d);
        mine.sums.erase(p.d);
      }
    }
    mine.groups.pop_front();
  }
  if (mine.groups.empty()) mine.fenced = false;
}

}  // namespace dedit::simt

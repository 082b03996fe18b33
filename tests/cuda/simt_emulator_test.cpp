// The emulator itself: what the tests of kernels rest on.
#include "support/simt_emulator.h"

#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "core/parallel.h"
#include "cuda/mma.h"

namespace dedit::cuda {
namespace {

constexpr int kThreads = 96;

// Runs `kernel` in a block in the usual order and in the opposite one.
template <class Kernel>
void run_both_ways(int threads, size_t shared_bytes, const Kernel& kernel) {
  for (const bool reverse : {false, true}) {
    simt::set_reverse(reverse);
    simt::run(dim3(1), dim3(unsigned(threads)), shared_bytes, 1, kernel);
  }
  simt::set_reverse(false);
}

int thread() {
  return int(threadIdx.x);
}

int* shared_ints() {
  return reinterpret_cast<int*>(dynamic_shared());
}

TEST(SimtEmulator, ABarrierOrdersWrites) {
  run_both_ways(kThreads, kThreads * sizeof(int), [] {
    int* shared = shared_ints();
    for (int turn = 0; turn < 5; ++turn) {
      shared[thread()] = thread() * 10 + turn;
      __syncthreads();
      for (int i = 0; i < kThreads; ++i) EXPECT_EQ(shared[i], i * 10 + turn);
      __syncthreads();
    }
  });
}

TEST(SimtEmulator, AMissingBarrierGivesOtherResultsInTheOppositeOrder) {
  std::vector<int> seen;
  run_both_ways(kThreads, kThreads * sizeof(int), [&] {
    shared_ints()[thread()] = thread();
    if (thread() == 40) seen.push_back(shared_ints()[39]);
  });
  EXPECT_EQ(seen, (std::vector<int>{39, -1}));  // -1: what nobody wrote
}

TEST(SimtEmulator, ANamedBarrierIsOfItsThreadsAlone) {
  run_both_ways(kThreads, kThreads * sizeof(int), [] {
    int* shared = shared_ints();
    if (thread() < 32) return;  // never arrives
    shared[thread()] = thread();
    simt::sync_named(3, 64);
    for (int i = 32; i < kThreads; ++i) EXPECT_EQ(shared[i], i);
  });
}

TEST(SimtEmulator, BlocksAndThreadsKnowTheirPlace) {
  std::vector<int> visits(3 * 2 * 2 * 4 * 2 * 3);
  simt::run(dim3(3, 2, 2), dim3(4, 2, 3), 0, 1, [&] {
    const auto place = [](const dim3& at, const dim3& of) {
      return (at.z * of.y + at.y) * of.x + at.x;
    };
    ++visits[place(blockIdx, gridDim) * 24 + place(threadIdx, blockDim)];
  });
  EXPECT_EQ(visits, std::vector<int>(visits.size(), 1));
}

TEST(SimtEmulator, ReversedOrderIsTheOppositeOne) {
  const int cores = num_threads();
  set_num_threads(1);
  std::vector<int> order;
  for (const bool reverse : {false, true}) {
    simt::set_reverse(reverse);
    simt::run(dim3(3), dim3(kThreads), 0, 1,
              [&] { order.push_back(int(blockIdx.x) * kThreads + thread()); });
  }
  simt::set_reverse(false);
  set_num_threads(cores);
  std::vector<int> expected(3 * kThreads);
  std::iota(expected.begin(), expected.end(), 0);
  const std::vector<int> forward(expected);
  expected.insert(expected.end(), forward.rbegin(), forward.rend());
  EXPECT_EQ(order, expected);
}

TEST(SimtEmulator, ShufflesTakeTheRightLane) {
  run_both_ways(kThreads, 0, [] {
    constexpr uint32_t kAll = 0xffffffffu;
    const int lane = thread() % 32, first = thread() - lane;
    EXPECT_EQ(simt::lane(), lane);
    for (const int other : {1, 2, 16, 31}) {
      EXPECT_EQ(__shfl_xor_sync(kAll, thread(), other), first + (lane ^ other));
      EXPECT_EQ(__shfl_down_sync(kAll, double(thread()), other),
                lane + other < 32 ? thread() + other : thread());
      EXPECT_EQ(__shfl_sync(kAll, float(thread()), other), float(first + other));
    }
  });
}

TEST(SimtEmulator, LanesOfAMaskMeetWithoutTheOthers) {
  run_both_ways(32, 0, [] {
    const bool upper = thread() >= 16;
    if (upper) return;
    EXPECT_EQ(__shfl_xor_sync(0xffffu, thread(), 5), thread() ^ 5);
  });
}

// a [16, 16] row by row and b [16, 8], through shared memory and the tensor core's instruction.
template <class T>
void check_product(bool b_by_columns) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<T> a(16 * 16), b(16 * 8);
  for (T& v : a) v = from_float<T>(normal(engine));
  for (T& v : b) v = from_float<T>(normal(engine));
  std::vector<float> d(16 * 8, 0.5f);
  simt::run(dim3(1), dim3(32), 4096, 1, [&] {
    const int lane = simt::lane();
    T* shared_a = reinterpret_cast<T*>(dynamic_shared());
    T* shared_b = shared_a + 16 * 16;
    for (int i = lane; i < 16 * 16; i += 32) shared_a[i] = a[size_t(i)];
    for (int i = lane; i < 16 * 8; i += 32) {
      shared_b[b_by_columns ? i % 8 * 16 + i / 8 : i] = b[size_t(i)];
    }
    __syncthreads();
    uint32_t left[4], right[4];
    // Matrices of a: upper left, lower left, upper right, lower right.
    load_matrices(left, shared_a + (lane % 8 + lane / 8 % 2 * 8) * 16 + lane / 16 * 8);
    // Of b: k 0 to 7, k 8 to 15, and both once more.
    if (b_by_columns) {
      load_matrices(right, shared_b + lane % 8 * 16 + lane / 8 % 2 * 8);
    } else {
      load_matrices_transposed(right, shared_b + (lane % 8 + lane / 8 % 2 * 8) * 8);
    }
    float sum[4] = {0.5f, 0.5f, 0.5f, 0.5f};
    mma_16x8x16<T>(sum, left, {right[0], right[1]});
    for (int i = 0; i < 4; ++i) {
      d[size_t((lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2)] = sum[i];
    }
  });
  for (size_t row = 0; row < 16; ++row) {
    for (size_t column = 0; column < 8; ++column) {
      double exact = 0.5, magnitude = 0.5;
      for (size_t k = 0; k < 16; ++k) {
        const double term = double(to_float(a[row * 16 + k])) * to_float(b[k * 8 + column]);
        exact += term;
        magnitude += std::abs(term);
      }
      EXPECT_NEAR(d[row * 8 + column], exact, magnitude * 17 * 0x1p-24) << row << " " << column;
    }
  }
}

TEST(SimtEmulator, MatrixInstructionsAgreeWithAPlainProduct) {
  for (const bool b_by_columns : {false, true}) {
    check_product<Bf16>(b_by_columns);
    check_product<F16>(b_by_columns);
  }
}

TEST(SimtEmulator, AnAsynchronousCopyIsInvisibleBeforeItsWait) {
  alignas(16) const int from[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  run_both_ways(1, 3 * 16, [&from] {
    int* shared = shared_ints();
    copy_async_16(shared, from, true);
    copy_async_commit();
    copy_async_16(shared + 4, from + 4, true);
    copy_async_commit();
    copy_async_16(shared + 8, from, false);
    EXPECT_EQ(shared[0], -1);
    copy_async_wait<1>();  // the older group
    EXPECT_EQ(shared[3], 4);
    EXPECT_EQ(shared[4], -1);
    copy_async_wait<0>();
    EXPECT_EQ(shared[7], 8);
    EXPECT_EQ(shared[8], -1);  // its group was not closed
    copy_async_commit();
    copy_async_wait<0>();
    EXPECT_EQ(shared[8], 0);
  });
}

TEST(SimtEmulator, BlocksOneAfterAnotherFindCleanStacksAndSharedMemory) {
  std::vector<int> sums(64);
  simt::run(dim3(64), dim3(kThreads), kThreads * sizeof(int), 1, [&sums] {
    int local[100];
    for (int i = 0; i < 100; ++i) local[i] = thread() + i;
    EXPECT_EQ(shared_ints()[thread()], -1);
    __syncthreads();
    shared_ints()[thread()] = local[99] - local[0];
    __syncthreads();
    if (thread() > 0) return;
    for (int i = 0; i < kThreads; ++i) sums[blockIdx.x] += shared_ints()[i];
  });
  EXPECT_EQ(sums, std::vector<int>(64, 99 * kThreads));
}

class SimtEmulatorDeath : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(SimtEmulatorDeath, ThreadsThatWaitForEachOther) {
  EXPECT_DEATH(simt::run(dim3(1), dim3(64), 0, 1,
                         [] {
                           if (thread() < 32) return simt::sync_named(1, 64);
                           __syncthreads();
                         }),
               "simt: the threads of a block wait for each other");
}

TEST_F(SimtEmulatorDeath, LanesThatMeetUnderTwoMasks) {
  EXPECT_DEATH(simt::run(dim3(1), dim3(32), 0, 1,
                         [] { __syncwarp(thread() % 2 == 0 ? 0x55555555u : 0xaaaaaaaau); }),
               "simt: lanes that meet under two masks");
}

TEST_F(SimtEmulatorDeath, AMatrixThatIsNotAligned) {
  EXPECT_DEATH(simt::run(dim3(1), dim3(32), 1024, 1,
                         [] {
                           uint32_t r[4];
                           load_matrices(r, dynamic_shared() + 8);
                         }),
               "simt: ldmatrix of an address that is no multiple of 16");
}

TEST_F(SimtEmulatorDeath, MoreThanAGpuHas) {
  const auto nothing = [] {};
  EXPECT_DEATH(simt::run(dim3(1), dim3(1025), 0, 1, nothing), "simt: too many threads a block");
  EXPECT_DEATH(simt::run(dim3(1), dim3(1), 228 << 10, 1, nothing), "simt: too much shared memory");
  EXPECT_DEATH(simt::run(dim3(0), dim3(1), 0, 1, nothing), "simt: an empty grid");
}

}  // namespace
}  // namespace dedit::cuda

#include "core/parallel.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace dedit {
namespace {

TEST(ParallelFor, VisitsEveryIndexOnceForAnyThreads) {
  for (int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (int64_t n : {0, 1, 2, 5, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(n));
      parallel_for(n, [&](int64_t i) { ++visits[size_t(i)]; });
      for (const auto& v : visits) EXPECT_EQ(v, 1);
    }
  }
  set_num_threads(0);
}

TEST(ParallelFor, ThreadIndicesStayBelowTheNumberOfThreads) {
  set_num_threads(3);
  std::atomic<int> highest = 0;
  for (int round = 0; round < 200; ++round) {
    parallel_for(50, [&](int64_t) {
      int seen = highest;
      while (thread_index() > seen && !highest.compare_exchange_weak(seen, thread_index())) {
      }
    });
  }
  EXPECT_LT(highest, 3);
  set_num_threads(0);
}

TEST(ParallelFor, ALoopInALoopRunsAlone) {
  set_num_threads(2);
  std::atomic<int> sum = 0;
  parallel_for(10, [&](int64_t) {
    const int outer = thread_index();
    parallel_for(10, [&](int64_t) {
      EXPECT_EQ(thread_index(), outer);
      ++sum;
    });
  });
  EXPECT_EQ(sum, 100);
  set_num_threads(0);
}

TEST(ParallelFor, ThreadsOfTheirOwnDoNotDisturbEachOther) {
  std::vector<std::thread> callers;
  std::atomic<int64_t> sum = 0;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      set_num_threads(3);
      for (int round = 0; round < 100; ++round) {
        parallel_for(20, [&](int64_t i) { sum += i; });
      }
    });
  }
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(sum, 4 * 100 * 190);
}

}  // namespace
}  // namespace dedit

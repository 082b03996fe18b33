// The queue of the CUDA backend on a device that does everything as late as it may.
#include "backend/cuda/queue.h"

#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "cuda/elementwise.h"
#include "support/simt_device.h"

#include "dedit/error.h"

namespace dedit::cuda {
namespace {

using Bytes = std::vector<std::byte>;

class QueueTest : public ::testing::Test {
 protected:
  void make(bool records = true, size_t memory = size_t{256} << 20) {
    auto owned = std::make_unique<SimtDevice>(memory);
    device = owned.get();
    queue = std::make_unique<Queue>(std::move(owned), Queue::Options{.records = records});
  }
  /// Bytes that differ from block to block.
  static Bytes pattern(size_t n) {
    Bytes bytes(n);
    for (size_t i = 0; i < n; ++i) bytes[i] = std::byte((i * 7 + (i >> 20)) & 0xff);
    return bytes;
  }
  Bytes read(const void* p, size_t n) {
    Bytes bytes(n);
    queue->download(p, n, bytes.data());
    return bytes;
  }

  SimtDevice* device = nullptr;
  std::unique_ptr<Queue> queue;
};

TEST_F(QueueTest, LargeCopiesGoThroughAFewPinnedBlocks) {
  make();
  const size_t n = 6 * Staging::kBlockBytes + 12345;
  const Bytes bytes = pattern(n);
  void* p = queue->allocate(n);
  queue->upload(bytes.data(), n, p);
  EXPECT_LE(device->counts().pinned_allocations, 4);
  EXPECT_TRUE(read(p, n) == bytes);
  queue->deallocate(p);
}

TEST_F(QueueTest, WhatIsUploadedMayChangeAtOnce) {
  make();
  Bytes bytes = pattern(1000);
  const Bytes before = bytes;
  void* p = queue->allocate(1000);
  queue->upload(bytes.data(), 1000, p);
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  EXPECT_TRUE(read(p, 1000) == before);
  queue->deallocate(p);
}

TEST_F(QueueTest, RecordedUploadsKeepTheirStagingUntilTheyHaveRun) {
  make();
  constexpr size_t kSize = size_t{3} << 20;
  std::vector<void*> at;
  std::vector<Bytes> sent;
  queue->end_of_step();
  for (int step = 0; step < 8; ++step) {
    for (int i = 0; i < 3; ++i) {
      Bytes bytes(kSize, std::byte(10 * step + i));
      at.push_back(queue->allocate(kSize));
      queue->upload(bytes.data(), kSize, at.back());
      sent.push_back(std::move(bytes));
    }
    queue->end_of_step();
  }
  EXPECT_EQ(device->counts().recordings, 8);
  EXPECT_EQ(device->counts().recorded_works, 24);
  EXPECT_LE(device->counts().pinned_allocations, 6);  // those of two steps come back
  for (size_t i = 0; i < at.size(); ++i) EXPECT_TRUE(read(at[i], kSize) == sent[i]) << i;
  for (void* p : at) queue->deallocate(p);
}

TEST_F(QueueTest, TheFirstStepAfterAResultIsNotRecorded) {
  make();
  void* p = queue->allocate(4);
  const float one = 1;
  queue->upload(&one, 4, p);
  EXPECT_EQ(device->counts().recorded_works, 0);
  queue->end_of_step();
  queue->upload(&one, 4, p);
  read(p, 4);
  EXPECT_EQ(device->counts().recorded_works, 1);
  queue->upload(&one, 4, p);
  queue->end_of_step();
  EXPECT_EQ(device->counts().recorded_works, 1);
  queue->deallocate(p);
}

TEST_F(QueueTest, RecordsNothingWhereGraphsAreOff) {
  make(/*records=*/false);
  void* p = queue->allocate(4);
  const float one = 1;
  for (int i = 0; i < 3; ++i) {
    queue->upload(&one, 4, p);
    queue->end_of_step();
  }
  EXPECT_EQ(device->counts().recordings, 0);
  queue->deallocate(p);
}

TEST_F(QueueTest, TheHostIsAtMostAStepAhead) {
  make();
  void* p = queue->allocate(4);
  for (int i = 0; i < 4; ++i) {
    queue->upload(&i, 4, p);
    queue->end_of_step();
  }
  // The first step has mark 1, the others two each: of their staging and their end.
  EXPECT_TRUE(device->has_passed(5));
  EXPECT_FALSE(device->has_passed(6));
  queue->deallocate(p);
}

TEST_F(QueueTest, ScratchThatGrowsLeavesQueuedWorkItsOwn) {
  make();
  constexpr int64_t kN = 1000, kLarge = int64_t{3} << 20;
  std::vector<float> ones(kN, 1.0f), out(kN);
  void* y = queue->allocate(kN * 4);
  queue->end_of_step();
  void* small = queue->scratch(kN * 4);
  queue->upload(ones.data(), kN * 4, small);
  convert(queue->stream(), small, Type::kF32, y, Type::kF32, kN);
  void* large = queue->scratch(kLarge * 4);
  const std::vector<float> zeros(size_t(kLarge), 0.0f);
  queue->upload(zeros.data(), zeros.size() * 4, large);
  queue->download(y, kN * 4, out.data());
  EXPECT_EQ(out, ones);
  const int before = device->counts().allocations;
  EXPECT_EQ(queue->scratch(kLarge * 4), large);
  EXPECT_EQ(device->counts().allocations, before);
  queue->deallocate(y);
}

TEST_F(QueueTest, MemoryIsGivenBackAfterTheRecordedWorkOnIt) {
  make();
  std::vector<float> out(4);
  const std::vector<float> values{1, 2, 3, 4};
  void *a = queue->allocate(16), *b = queue->allocate(16);
  queue->end_of_step();
  queue->upload(values.data(), 16, a);
  convert(queue->stream(), a, Type::kF32, b, Type::kF32, 4);
  queue->deallocate(a);
  queue->download(b, 16, out.data());
  EXPECT_EQ(out, values);
  queue->deallocate(b);
}

TEST_F(QueueTest, OutOfMemoryNamesWhatWasAskedWhatIsFreeAndARemedy) {
  make(true, size_t{64} << 20);
  void* p = queue->allocate(size_t{40} << 20);
  try {
    queue->allocate(size_t{30} << 20);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kMemory);
    EXPECT_STREQ(e.what(), "cuda: the GPU has no 30 MiB left: 24 of its 64 MiB are free");
    EXPECT_NE(e.hint().find("--device cpu"), std::string::npos);
    EXPECT_NE(e.hint().find("--low-memory"), std::string::npos);
  }
  queue->deallocate(p);
}

TEST_F(QueueTest, LowMemoryIsNoRemedyWhereItIsOn) {
  queue = std::make_unique<Queue>(std::make_unique<SimtDevice>(size_t{1} << 20),
                                  Queue::Options{.low_memory = true});
  try {
    queue->allocate(size_t{2} << 20);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.hint().find("--low-memory"), std::string::npos) << e.hint();
    EXPECT_NE(e.hint().find("smaller picture"), std::string::npos);
  }
}

TEST_F(QueueTest, NoPinnedMemoryIsAnErrorWithARemedy) {
  make();
  device->end_pinned();
  try {
    queue->allocate_pinned(size_t{3} << 20);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kMemory);
    EXPECT_STREQ(e.what(), "cuda: the system gives no 3 MiB of pinned memory for weights");
    EXPECT_NE(e.hint().find("--low-memory"), std::string::npos);
  }
}

TEST_F(QueueTest, APinnedCopyGoesThereAndBackWithoutAWait) {
  make();
  constexpr int64_t kN = 1000;
  const std::vector<float> ones(kN, 1.0f);
  void *a = queue->allocate(kN * 4), *b = queue->allocate(kN * 4);
  void* pinned = queue->allocate_pinned(kN * 4);
  queue->end_of_step();
  queue->upload(ones.data(), kN * 4, a);
  queue->copy_to_pinned(pinned, a, kN * 4);
  queue->end_of_step();
  queue->copy_from_pinned(b, pinned, kN * 4);
  queue->deallocate_pinned(pinned);  // after the recorded copy from it
  EXPECT_EQ(device->last_form(), "c");
  std::vector<float> out(kN);
  queue->download(b, kN * 4, out.data());
  EXPECT_EQ(out, ones);
  queue->deallocate(a);
  queue->deallocate(b);
}

TEST_F(QueueTest, ThreadsTakeTurns) {
  make();
  constexpr int kThreads = 4, kRounds = 50;
  std::vector<int> wrong(kThreads, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      void* p = queue->allocate(4);
      for (int i = 0; i < kRounds; ++i) {
        const int sent = 1000 * t + i;
        int got = -1;
        {
          const Queue::Turn turn(*queue);
          queue->upload(&sent, 4, p);
        }
        {
          const Queue::Turn turn(*queue);
          if (i % 3 == 0) queue->end_of_step();
          queue->download(p, 4, &got);
        }
        wrong[size_t(t)] += got != sent;
      }
      queue->deallocate(p);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::accumulate(wrong.begin(), wrong.end(), 0), 0);
}

}  // namespace
}  // namespace dedit::cuda

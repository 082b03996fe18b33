// The order of shared memory in products on tensor cores.
#include "cuda/product_mma.h"

#include <set>

#include <gtest/gtest.h>

namespace dedit::cuda {
namespace {

// A request of eight lanes is served at once if its 16-byte chunks lie in different eighths of the
// 32 banks.
template <int kK>
void expect_no_conflicts() {
  std::set<int> places;
  for (int row = 0; row < 64; ++row) {
    for (int chunk = 0; chunk < kK / 8; ++chunk) places.insert(chunk_place<kK>(row, chunk));
  }
  EXPECT_EQ(places.size(), size_t(64 * kK / 8));
  EXPECT_EQ(*places.rbegin(), 64 * kK / 8 - 1);
  for (int first = 0; first < 64; first += 8) {
    for (int chunk = 0; chunk < kK / 8; ++chunk) {
      std::set<int> banks;  // ldmatrix: eight rows of one column
      for (int row = first; row < first + 8; ++row) {
        banks.insert(chunk_place<kK>(row, chunk) % 8);
      }
      EXPECT_EQ(banks.size(), 8u);
    }
  }
  for (int i = 0; i < 64; i += 8) {
    std::set<int> banks;  // copies: neighbouring chunks, row after row
    for (int j = i; j < i + 8; ++j) banks.insert(chunk_place<kK>(j / (kK / 8), j % (kK / 8)) % 8);
    EXPECT_EQ(banks.size(), 8u);
  }
}

TEST(ProductMma, SharedMemoryHasNoBankConflicts) {
  expect_no_conflicts<32>();
  expect_no_conflicts<64>();
}

// Rows whose distance is a multiple of 8 have chunks in the same order, so that one address serves
// all tiles of a warp.
TEST(ProductMma, TheOrderOfChunksRepeatsEveryEightRows) {
  for (int row = 0; row < 64; ++row) {
    for (int chunk = 0; chunk < 4; ++chunk) {
      EXPECT_EQ(chunk_place<32>(row, chunk), chunk_place<32>(row % 8, chunk) + row / 8 * 8 * 4);
      EXPECT_EQ(chunk_place<64>(row, chunk), chunk_place<64>(row % 8, chunk) + row / 8 * 8 * 8);
    }
  }
}

}  // namespace
}  // namespace dedit::cuda

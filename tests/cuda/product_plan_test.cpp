// The choice of tiles and splits, at the shapes of Stable Diffusion 1.5 at 512x512 too.
#include "cuda/product_plan.h"

#include <gtest/gtest.h>

#include "cuda/product_kernel.h"

namespace dedit::cuda {
namespace {

constexpr int kDevices[] = {46, 82, 108, 128, 132};  // multiprocessors

std::span<const ProductTile> tiles_of(Type type, int64_t channels) {
  ProductArgs args;
  args.type = type;
  args.channels = channels;
  args.out = 8;
  return type == Type::kF32 ? fma_tiles(args) : mma_tiles(args);
}

TEST(ProductPlan, PartsCoverTheSumAndNoneIsEmpty) {
  for (const auto tiles :
       {tiles_of(Type::kF32, 8), tiles_of(Type::kF16, 8), tiles_of(Type::kBF16, 3)}) {
    for (const int64_t m : {1, 64, 128, 1000, 8192}) {
      for (const int64_t n : {1, 4, 320, 1280, 10240}) {
        for (const int64_t k : {1, 8, 27, 320, 2880, 23040}) {
          for (const int finish : {0, 1, 2}) {
            const ProductShape shape = {
                .m = m, .n = n, .k = k, .geglu = finish == 1, .activated = finish == 2};
            const ProductPlan plan = plan_product(shape, tiles, 108);
            const ProductTile& tile = tiles[size_t(plan.tile)];
            EXPECT_GE(int64_t(plan.steps) * plan.split * tile.k, k);
            EXPECT_LT(int64_t(plan.steps) * (plan.split - 1) * tile.k, k);
            EXPECT_TRUE(plan.split > 1 || can_finish(tile, shape));
          }
        }
      }
    }
  }
}

TEST(ProductPlan, IsTheCheapest) {
  const auto tiles = tiles_of(Type::kBF16, 8);
  for (const ProductShape& s : {ProductShape{.m = 8192, .n = 320, .k = 2880},
                                ProductShape{.m = 128, .n = 1280, .k = 11520}}) {
    const ProductPlan plan = plan_product(s, tiles, 108);
    const double cost = plan_cost(s, tiles[size_t(plan.tile)], plan.split, 108);
    for (const ProductTile& tile : tiles) {
      for (const int split : {1, 2, 3, 4, 8, 16}) EXPECT_LE(cost, plan_cost(s, tile, split, 108));
    }
  }
}

// A sum is not split where the tiles alone keep the device busy.
TEST(ProductPlan, SplitsSmallGridsOnly) {
  const auto tiles = tiles_of(Type::kBF16, 8);
  for (const int multiprocessors : kDevices) {
    const auto split_of = [&](int64_t m, int64_t n, int64_t k) {
      return plan_product({.m = m, .n = n, .k = k}, tiles, multiprocessors).split;
    };
    EXPECT_EQ(split_of(8192, 2560, 320), 1);
    EXPECT_EQ(split_of(65536, 256, 2304), 1);
    EXPECT_EQ(split_of(262144, 128, 1152), 1);
    EXPECT_GT(split_of(128, 1280, 11520), 2);
    EXPECT_GT(split_of(128, 1280, 23040), 2);
  }
}

// Of what the device could multiply in the rounds that the busiest multiprocessor takes, at most
// 30 % is padding or waiting, in every product of a billion multiply-adds and more.
TEST(ProductPlan, KeepsDevicesBusyAtTheShapesOfStableDiffusion) {
  const auto tiles = tiles_of(Type::kBF16, 8);
  const ProductShape shapes[] = {{.m = 8192, .n = 320, .k = 2880},
                                 {.m = 8192, .n = 320, .k = 8640},
                                 {.m = 8192, .n = 640, .k = 5760},
                                 {.m = 2048, .n = 640, .k = 5760},
                                 {.m = 2048, .n = 640, .k = 17280},
                                 {.m = 2048, .n = 1280, .k = 11520},
                                 {.m = 512, .n = 1280, .k = 11520},
                                 {.m = 512, .n = 1280, .k = 23040},
                                 {.m = 128, .n = 1280, .k = 11520},
                                 {.m = 128, .n = 1280, .k = 23040},
                                 {.m = 8192, .n = 960, .k = 320},
                                 {.m = 2048, .n = 1920, .k = 640},
                                 {.m = 8192, .n = 320, .k = 1280},
                                 {.m = 2048, .n = 640, .k = 2560},
                                 {.m = 4096, .n = 512, .k = 4608},
                                 {.m = 16384, .n = 512, .k = 4608},
                                 {.m = 65536, .n = 256, .k = 2304},
                                 {.m = 262144, .n = 128, .k = 1152},
                                 {.m = 8192, .n = 2560, .k = 320, .geglu = true},
                                 {.m = 2048, .n = 5120, .k = 640, .geglu = true},
                                 {.m = 512, .n = 10240, .k = 1280, .geglu = true}};
  for (const int multiprocessors : kDevices) {
    for (const ProductShape& s : shapes) {
      const ProductPlan plan = plan_product(s, tiles, multiprocessors);
      const ProductTile& tile = tiles[size_t(plan.tile)];
      const int64_t blocks = divide_up(s.m, tile.m) * divide_up(s.n, tile.n) * plan.split;
      const double done = double(s.m) * double(s.n) * double(s.k);
      const double could = double(divide_up(blocks, multiprocessors) * multiprocessors) *
                           plan.steps * tile.m * tile.n * tile.k;
      EXPECT_GE(done / could, 0.7)
          << s.m << " x " << s.n << " x " << s.k << " on " << multiprocessors << ": tile " << tile.m
          << " x " << tile.n << ", " << plan.split << " parts";
    }
  }
}

}  // namespace
}  // namespace dedit::cuda

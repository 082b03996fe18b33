// Products of the kernel for compute capability 9.0a, in the emulator: every tile, split or not.
#include "cuda/product_sm90.h"

#include <set>

#include "cuda/product_epilogue.h"
#include "product_case.h"

namespace dedit::cuda {
namespace {

class ProductSm90Kernel : public ProductTest {
 protected:
  void SetUp() override {
    ProductTest::SetUp();
    if (kernel_capability() != 90) GTEST_SKIP() << "a kernel for compute capability 9.0 alone";
  }

  /// One tile, by its columns, with the sum in up to `parts` parts.
  void check_tile(const ProductCase& c, int tile_n, int parts = 1, int multiprocessors = 132) {
    SCOPED_TRACE(std::to_string(tile_n) + " columns in " + std::to_string(parts) + " parts");
    check(c, [&](ProductArgs args) {
      args.capability = 90;
      args.multiprocessors = multiprocessors;
      ASSERT_TRUE(product_sm90_fits(args));
      const auto tiles = sm90_tiles();
      ProductPlan plan;
      while (tiles[size_t(plan.tile)].n != tile_n) ++plan.tile;
      const int64_t steps = sm90_shape(args).k / kSm90Channels;
      plan.steps = int(divide_up(steps, parts));
      plan.split = int(divide_up(steps, plan.steps));
      const int64_t rows = args.batch * args.out_height * args.out_width;
      Array partial(Type::kF32, plan.split > 1 ? plan.split * rows * args.out : 0);
      auto* workspace = static_cast<float*>(partial.data());
      product_sm90(nullptr, args, plan, workspace);
      if (plan.split > 1) finish_split(nullptr, args, workspace, plan.split);
    });
  }
};

TEST_P(ProductSm90Kernel, LinearOfOddSizes) {
  check_tile(ProductCase::linear(1, 64, 8), 64);
  check_tile(ProductCase::linear(129, 72, 72), 64);
  check_tile(ProductCase::linear(131, 136, 152), 128);
  check_tile(ProductCase::linear(200, 40, 328), 160);
  check_tile(ProductCase::linear(97, 64, 200), 192);
  check_tile(ProductCase::linear(97, 64, 264), 256);
}

TEST_P(ProductSm90Kernel, LinearLongerThanTheRing) {
  check_tile(ProductCase::linear(30, 9 * 64 + 8, 64), 64);
  check_tile(ProductCase::linear(30, 9 * 64 + 8, 160), 160);
}

TEST_P(ProductSm90Kernel, BlocksTakeSeveralTiles) {
  auto c = ProductCase::linear(300, 200, 136);
  c.residual = Residual::kOwn;
  check_tile(c, 64, 1, 1);
  check_tile(c, 128, 1, 2);
}

TEST_P(ProductSm90Kernel, EverythingThatFollowsTheSum) {
  auto c = ProductCase::linear(70, 72, 200);
  c.batch = 3;
  c.bias = true;
  for (const int row_biases : {1, 2}) {
    for (const Residual residual : {Residual::kOwn, Residual::kInPlace}) {
      c.row_biases = row_biases;
      c.residual = residual;
      check_tile(c, 64);
    }
  }
  check_tile(c, 160, 2);
}

TEST_P(ProductSm90Kernel, LargeTilesFinishInPlace) {
  auto c = ProductCase::linear(130, 72, 264);
  c.bias = true;
  c.residual = Residual::kInPlace;
  for (const int tile : {128, 160, 192, 256}) check_tile(c, tile);
}

TEST_P(ProductSm90Kernel, Activations) {
  auto c = ProductCase::linear(20, 64, 136);
  c.bias = true;
  c.residual = Residual::kOwn;
  for (const auto activation : {Activation::kSilu, Activation::kGelu, Activation::kQuickGelu}) {
    c.activation = activation;
    check_tile(c, 64);
    check_tile(c, 128);
  }
  check_tile(c, 128, 2);
}

TEST_P(ProductSm90Kernel, Geglu) {
  auto c = ProductCase::linear(70, 72, 2 * 136);
  c.bias = true;
  for (const int tile : {128, 192, 256}) check_tile(c, tile);
  check_tile(c, 160, 2);
  c.bias = false;
  check_tile(c, 128);
}

TEST_P(ProductSm90Kernel, Conv3x3OfOddPlanes) {
  auto c = ProductCase::conv(13, 11, 64, 72);
  c.bias = true;
  check_tile(c, 64);
  check_tile(c, 160, 3);
}

TEST_P(ProductSm90Kernel, ConvOfSeveralImagesATile) {
  auto c = ProductCase::conv(5, 6, 64, 64);
  c.batch = 5;
  c.bias = true;
  c.row_biases = 2;
  c.residual = Residual::kInPlace;
  check_tile(c, 64);
}

TEST_P(ProductSm90Kernel, ConvOfAWideOrAHighPlane) {
  check_tile(ProductCase::conv(1, 130, 40, 8), 64);
  check_tile(ProductCase::conv(130, 1, 40, 8), 64);
  check_tile(ProductCase::conv(1, 1, 40, 8), 64);
}

TEST_P(ProductSm90Kernel, ConvOfOtherKernelsAndPads) {
  check_tile(ProductCase::conv(9, 10, 64, 24, 5), 64);
  check_tile(ProductCase::conv(9, 10, 64, 24, 1), 64);
  auto c = ProductCase::conv(9, 10, 64, 24);
  c.pad_top = 0, c.pad_left = 2, c.pad_bottom = 3, c.pad_right = 0;
  check_tile(c, 64);
  c = ProductCase::conv(9, 10, 64, 24, 2);
  c.pad_top = c.pad_left = 0;
  check_tile(c, 64);
}

TEST_P(ProductSm90Kernel, ConvWithStride) {
  auto c = ProductCase::conv(13, 18, 64, 40);
  c.batch = 2;
  c.stride = 2;
  check_tile(c, 64);
  c.pad_top = c.pad_left = 0;
  check_tile(c, 64);
  c = ProductCase::linear(140, 64, 40);
  c.stride = 2;
  check_tile(c, 64);
}

TEST_P(ProductSm90Kernel, ConvOfEnlarged) {
  auto c = ProductCase::conv(7, 9, 64, 40);
  c.batch = 2;
  c.upsample2x = true;
  c.bias = true;
  check_tile(c, 64);
  check_tile(c, 128, 2);
  c.batch = 1;
  c.pad_bottom = c.pad_right = 0;  // an odd number of rows and columns
  check_tile(c, 64);
}

TEST_P(ProductSm90Kernel, ConcatOfChannels) {
  for (const auto& [channels, channels2] : {std::pair{64, 128}, {72, 40}, {40, 200}}) {
    auto c = ProductCase::conv(6, 9, channels, 40);
    c.channels2 = channels2;
    check_tile(c, 64);
    check_tile(c, 64, 4);
    c = ProductCase::linear(40, channels, 72);
    c.channels2 = channels2;
    check_tile(c, 128);
  }
}

// Through product(), which plans, and takes the portable kernel for what does not fit.
TEST_P(ProductSm90Kernel, IsWhatProductRunsOn90) {
  auto deep = ProductCase::conv(4, 4, 320, 64);
  deep.bias = true;
  for (const auto& c : {deep, ProductCase::conv(4, 4, 4, 64), ProductCase::linear(40, 64, 20)}) {
    check(c, [&](ProductArgs args) {
      args.capability = 90;
      args.multiprocessors = 132;
      Array workspace(Type::kF32, int64_t(product_workspace_bytes(args) / 4));
      product(nullptr, args, workspace.data());
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Kernel, ProductSm90Kernel, ::testing::Values(Type::kBF16, Type::kF16),
                         [](const auto& test) { return std::string(name_of(test.param)); });

ProductArgs conv_args(int64_t batch, int64_t side, int64_t channels, int64_t out) {
  ProductArgs a;
  a.batch = batch;
  a.height = a.width = a.out_height = a.out_width = side;
  a.channels = channels;
  a.out = out;
  a.kernel = 3;
  a.pad_top = a.pad_left = 1;
  a.type = Type::kBF16;
  a.capability = 90;
  a.multiprocessors = 132;
  return a;
}

ProductArgs linear_args(int64_t rows, int64_t in, int64_t out) {
  ProductArgs a = conv_args(1, 1, in, out);
  a.width = a.out_width = rows;
  a.kernel = 1;
  a.pad_top = a.pad_left = 0;
  return a;
}

TEST(ProductSm90, FitsWhatItsCopiesCanAddress) {
  EXPECT_TRUE(product_sm90_fits(conv_args(2, 64, 320, 320)));
  EXPECT_TRUE(product_sm90_fits(linear_args(2, 1280, 1280)));
  EXPECT_FALSE(product_sm90_fits(conv_args(2, 64, 4, 320)));
  EXPECT_FALSE(product_sm90_fits(conv_args(2, 64, 324, 320)));
  EXPECT_FALSE(product_sm90_fits(conv_args(2, 64, 320, 4)));
  EXPECT_FALSE(product_sm90_fits(conv_args(2, 64, 16, 32))) << "three quarters would be zeros";
  ProductArgs a = conv_args(2, 64, 320, 320);
  a.channels2 = 4;
  EXPECT_FALSE(product_sm90_fits(a));
  a.channels2 = 0;
  a.type = Type::kF32;
  EXPECT_FALSE(product_sm90_fits(a));
  a.type = Type::kF16;
  a.capability = 89;
  EXPECT_FALSE(product_sm90_fits(a));
  a.capability = 120;
  EXPECT_FALSE(product_sm90_fits(a)) << "code for 9.0a runs on 9.0 alone";
  a = linear_args(64, 64, 24);
  a.geglu = true;
  EXPECT_FALSE(product_sm90_fits(a));
}

TEST(ProductSm90, PatchesCoverAPlaneWithFewTiles) {
  const auto tiles = [](int64_t images, int64_t height, int64_t width) {
    const Sm90Patch p = choose_patch(images, height, width);
    return p.across * p.down * p.deep;
  };
  EXPECT_EQ(tiles(2, 64, 64), 64);
  EXPECT_EQ(tiles(2, 32, 32), 16);
  EXPECT_EQ(tiles(2, 16, 16), 4);
  EXPECT_EQ(tiles(2, 8, 8), 1);
  EXPECT_EQ(tiles(2, 96, 64), 96);
  EXPECT_EQ(tiles(2, 12, 8), 2);
  EXPECT_EQ(tiles(1, 1, 8193), 65);
}

// At 512x512, with guidance, on 132 multiprocessors.
TEST(ProductSm90, PlansFillTheDevice) {
  const auto blocks = [](const ProductArgs& a) {
    const ProductShape s = sm90_shape(a);
    const ProductPlan plan = plan_product(s, sm90_tiles(), 132);
    const ProductTile& tile = sm90_tiles()[size_t(plan.tile)];
    return s.m / tile.m * divide_up(s.n, tile.n) * plan.split;
  };
  EXPECT_EQ(blocks(conv_args(2, 64, 320, 320)), 128) << "two tiles of 160 columns side by side";
  EXPECT_EQ(blocks(conv_args(2, 16, 1280, 1280)), 128) << "in parts";
  EXPECT_GT(blocks(conv_args(2, 8, 1280, 1280)), 100) << "in parts";
  EXPECT_EQ(blocks(linear_args(2048, 1280, 1280)), 128);
}

// Every row of y by exactly one row of a tile, for every column of tiles and part of the sum.
TEST(ProductSm90, ItemsCoverTheProductOnce) {
  for (const auto& [batch, height, width, enlarged] :
       {std::tuple{3, 5, 6, false}, {2, 8, 8, false}, {1, 13, 40, true}, {2, 3, 3, true}}) {
    ProductArgs a = conv_args(batch, 1, 64, 320);
    a.height = height;
    a.width = width;
    a.upsample2x = enlarged;
    a.out_height = enlarged ? 2 * height : height;
    a.out_width = enlarged ? 2 * width - 1 : width;
    Sm90Layout l = layout_of(a);
    l.column_tiles = 2;
    l.parts = 3;
    l.cluster = 2;
    std::set<std::tuple<int, int, int>> seen;
    for (int i = 0; i < l.items() * l.cluster; ++i) {
      const Sm90Item item = item_of(l, i / l.cluster, i % l.cluster);
      for (int row = 0; row < kSm90Rows; ++row) {
        const int m = output_row(l, item, row);
        if (m >= 0) {
          EXPECT_TRUE(seen.insert({item.part, item.column_tile, m}).second);
        }
      }
    }
    EXPECT_EQ(int64_t(seen.size()), 2 * 3 * batch * a.out_height * a.out_width);
  }
}

TEST(ProductSm90, StepsVisitTapsAndBlocksInOrder) {
  ProductArgs a = conv_args(1, 8, 72, 64);
  a.channels2 = 64;
  const Sm90Layout l = layout_of(a);
  ASSERT_EQ(l.steps(), 27);
  Sm90Step walked = step_of(l, 0);
  for (int i = 0; i < l.steps(); ++i, next_step(l, walked)) {
    const Sm90Step s = step_of(l, i);
    EXPECT_EQ((s.tap_y * 3 + s.tap_x) * 3 + s.block, i);
    EXPECT_TRUE(s.tap_y == walked.tap_y && s.tap_x == walked.tap_x && s.block == walked.block);
  }
}

}  // namespace
}  // namespace dedit::cuda

// Convolutions and linear layers on all kernels, in the emulator: every tile, split or not.
#include "cuda/product.h"

#include "cuda/product_kernel.h"
#include "product_case.h"

namespace dedit::cuda {
namespace {

class ProductKernel : public ProductTest {
 protected:
  /// Every tile of the kernel for this type, with the sum in one part and in up to three.
  void check_all_tiles(const ProductCase& c) {
    const bool f32 = GetParam() == Type::kF32;
    ProductArgs like;
    like.channels = c.channels;
    like.channels2 = c.channels2;
    like.out = c.out;
    like.geglu = c.geglu;
    const ProductShape shape = {.m = 0,
                                .n = c.out,
                                .k = c.kernel * c.kernel * (c.channels + c.channels2),
                                .geglu = c.geglu,
                                .activated = c.activation != Activation::kNone};
    const auto tiles = f32 ? fma_tiles(like) : mma_tiles(like);
    for (int tile = 0; tile < int(tiles.size()); ++tile) {
      for (const int parts : {1, 3}) {
        SCOPED_TRACE("tile " + std::to_string(tile) + " in " + std::to_string(parts) + " parts");
        const ProductPlan plan = in_parts(shape.k, tiles[size_t(tile)], tile, parts);
        if (parts > 1 && plan.split == 1) continue;
        if (plan.split == 1 && !can_finish(tiles[size_t(tile)], shape)) continue;
        check(c, [&](const ProductArgs& args) {
          const size_t bytes = split_bytes(shape_of(args).m, args.out, plan.split);
          Array partial(Type::kF32, int64_t(bytes / sizeof(float)));
          auto* workspace = static_cast<float*>(partial.data());
          (f32 ? product_fma : product_mma)(nullptr, args, plan, workspace);
          if (plan.split > 1) finish_split(nullptr, args, workspace, plan.split);
        });
      }
    }
  }
  void check_product(const ProductCase& c, int multiprocessors = 108) {
    check(c, [&](ProductArgs args) {
      args.multiprocessors = multiprocessors;
      Array workspace(Type::kF32, int64_t(product_workspace_bytes(args) / 4));
      product(nullptr, args, workspace.data());
    });
  }

 private:
  static ProductPlan in_parts(int64_t k, const ProductTile& tile, int index, int parts) {
    const int64_t steps = divide_up(k, tile.k), part = divide_up(steps, parts);
    return {.tile = index, .split = int(divide_up(steps, part)), .steps = int(part)};
  }
};

TEST_P(ProductKernel, LinearOfOddSizes) {
  for (const auto& c : {ProductCase::linear(1, 8, 1), ProductCase::linear(67, 40, 37),
                        ProductCase::linear(5, 328, 136)}) {
    check_all_tiles(c);
  }
}

TEST_P(ProductKernel, LinearOfOneRowMoreThanTheLargestTile) {
  check_all_tiles(ProductCase::linear(257, 104, 72));
}

TEST_P(ProductKernel, LinearOfAnyChannelCounts) {
  for (const auto& c : {ProductCase::linear(70, 1, 9), ProductCase::linear(3, 37, 131),
                        ProductCase::linear(130, 150, 5)}) {
    check_all_tiles(c);
  }
}

TEST_P(ProductKernel, Conv3x3) {
  auto c = ProductCase::conv(9, 7, 24, 40);
  c.batch = 3;
  check_all_tiles(c);
}

TEST_P(ProductKernel, ConvOfFewChannels) {
  for (const int64_t channels : {3, 4, 9}) check_all_tiles(ProductCase::conv(10, 9, channels, 16));
}

TEST_P(ProductKernel, ConvToFewChannels) {
  for (const int64_t out : {3, 4}) check_all_tiles(ProductCase::conv(5, 7, 24, out));
}

TEST_P(ProductKernel, ConvWithStride) {
  auto c = ProductCase::conv(9, 12, 16, 24);
  c.stride = 2;
  check_all_tiles(c);
  c.pad_top = c.pad_left = 0;  // as the VAE's downsampling
  check_all_tiles(c);
}

TEST_P(ProductKernel, ConvOfOtherKernelsAndPads) {
  check_all_tiles(ProductCase::conv(5, 6, 8, 11, 1));
  check_all_tiles(ProductCase::conv(7, 5, 8, 8, 5));
  auto c = ProductCase::conv(5, 4, 16, 8, 2);
  c.pad_top = 3;  // wider than the kernel: whole rows of zeros
  c.stride = 3;
  check_all_tiles(c);
}

TEST_P(ProductKernel, ConvOfEnlargedInput) {
  auto c = ProductCase::conv(5, 4, 24, 16);
  c.batch = 2;
  c.upsample2x = true;
  check_all_tiles(c);
}

TEST_P(ProductKernel, ConvOfTwoInputs) {
  auto c = ProductCase::conv(5, 3, 24, 24);
  c.batch = 2;
  c.channels2 = 16;
  check_all_tiles(c);
  c.upsample2x = true;
  check_all_tiles(c);
  c.upsample2x = false;
  c.channels = 3;
  c.channels2 = 2;
  check_all_tiles(c);
}

TEST_P(ProductKernel, EachPartOfTheEpilogue) {
  for (const int64_t out : {24, 13}) {
    auto c = ProductCase::conv(4, 4, 16, out);
    c.batch = 2;
    c.bias = true;
    check_product(c);
    c.bias = false;
    for (c.row_biases = 1; c.row_biases <= 2; ++c.row_biases) check_product(c);
    c.row_biases = 0;
    for (c.residual = Residual::kOwn; c.residual != Residual::kNone;
         c.residual = c.residual == Residual::kOwn ? Residual::kInPlace : Residual::kNone) {
      check_product(c);
    }
    for (const auto activation : {Activation::kSilu, Activation::kGelu, Activation::kQuickGelu}) {
      c.activation = activation;
      check_product(c);
    }
  }
}

TEST_P(ProductKernel, TheWholeEpilogueOfEveryTile) {
  auto c = ProductCase::conv(7, 5, 24, 72);
  c.batch = 2;
  c.bias = true;
  c.row_biases = 2;
  c.activation = Activation::kSilu;
  c.residual = Residual::kInPlace;
  check_all_tiles(c);
  c.out = 67;
  check_all_tiles(c);
}

TEST_P(ProductKernel, Geglu) {
  for (const auto& [tokens, in, out] :
       {std::array<int64_t, 3>{133, 40, 144}, {5, 64, 256}, {17, 24, 30}, {9, 13, 90}}) {
    auto c = ProductCase::linear(tokens, in, out);
    c.geglu = true;
    check_all_tiles(c);
    c.bias = true;
    check_all_tiles(c);
  }
}

// On a device of many multiprocessors small products are split by the plan itself.
TEST_P(ProductKernel, SplitsByItself) {
  auto c = ProductCase::conv(4, 4, 400, 16);
  c.bias = true;
  c.residual = Residual::kOwn;
  ProductArgs args;
  args.height = args.width = args.out_height = args.out_width = 4;
  args.channels = 400;
  args.kernel = 3;
  args.out = 16;
  args.type = GetParam();
  args.multiprocessors = 1000;
  EXPECT_GE(product_workspace_bytes(args), size_t(2 * 16 * 16 * 4));
  check_product(c, 1000);
}

DEDIT_KERNEL_TEST(ProductKernel);

}  // namespace
}  // namespace dedit::cuda

// The reference backend against numbers worked out by hand.
#include "support/reference_backend.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "core/pool.h"

#include "dedit/error.h"

namespace dedit {
namespace {

class ReferenceBackend : public ::testing::Test {
 protected:
  Tensor make(const Shape& shape, const std::vector<float>& host, DType dtype = DType::kF64) {
    Tensor t = pool.make(shape, dtype);
    backend->upload(host.data(), t);
    return t;
  }
  std::vector<float> get(const Tensor& t) {
    std::vector<float> host(static_cast<size_t>(t.numel()));
    backend->download(t, host.data());
    return host;
  }
  static WeightView view(const std::vector<float>& data, const Shape& shape) {
    return {data.data(), DType::kF32, shape};
  }

  std::unique_ptr<Backend> backend = make_reference_backend();
  Pool pool{backend->memory()};
};

using Floats = std::vector<float>;

TEST_F(ReferenceBackend, ConvolutionCorrelatesWithZeroPadding) {
  const Floats weight{0, 0, 0, 0, 1, 2, 0, 0, 3}, bias{10};  // centre 1, right 2, lower right 3
  const Conv2dParams params;
  const auto w =
      backend->pack_conv2d(view(weight, {1, 1, 3, 3}), view(bias, {1}), params, DType::kF64);
  const Tensor x = make({1, 2, 2, 1}, {1, 2, 3, 4});
  Tensor y = pool.make({1, 2, 2, 1}, DType::kF64);
  backend->conv2d({.x = &x}, *w, params, {}, y);
  EXPECT_EQ(get(y), (Floats{1 + 4 + 12 + 10, 2 + 10, 3 + 8 + 10, 4 + 10}));
}

TEST_F(ReferenceBackend, StridedConvolutionPadsTheSidesAskedFor) {
  const Floats weight{1, 1, 1, 1, 1, 1, 1, 1, 1};
  const Conv2dParams params{.kernel = 3, .stride = 2, .pad = {0, 0, 1, 1}};
  const auto w = backend->pack_conv2d(view(weight, {1, 1, 3, 3}), {}, params, DType::kF64);
  const Tensor x = make({1, 4, 4, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
  Tensor y = pool.make({1, 2, 2, 1}, DType::kF64);
  backend->conv2d({.x = &x}, *w, params, {}, y);
  EXPECT_EQ(get(y), (Floats{54, 45, 72, 54}));
}

TEST_F(ReferenceBackend, ConvolutionKeepsInputAndOutputChannelsApart) {
  const Floats weight{1, 10, 100, 1000, 2, 3};  // [3, 2, 1, 1]
  const Conv2dParams params{.kernel = 1, .stride = 1, .pad = {0, 0, 0, 0}};
  const auto w = backend->pack_conv2d(view(weight, {3, 2, 1, 1}), {}, params, DType::kF64);
  const Tensor x = make({1, 1, 2, 2}, {1, 2, 3, 4});
  Tensor y = pool.make({1, 1, 2, 3}, DType::kF64);
  backend->conv2d({.x = &x}, *w, params, {}, y);
  EXPECT_EQ(get(y), (Floats{21, 2100, 8, 43, 4300, 18}));
}

TEST_F(ReferenceBackend, RefusesFusionsThatItDoesNotClaim) {
  const Floats weight{1};
  const Conv2dParams params{.kernel = 1, .stride = 1, .pad = {0, 0, 0, 0}};
  const auto w = backend->pack_conv2d(view(weight, {1, 1, 1, 1}), {}, params, DType::kF64);
  const Tensor x = make({1, 1, 1, 1}, {1});
  Tensor y = pool.make({1, 2, 2, 1}, DType::kF64);
  EXPECT_FALSE(backend->fuses(Fusion::kConvUpsample, *w));
  EXPECT_THROW(backend->conv2d({.x = &x, .upsample2x = true}, *w, params, {}, y), Error);
}

TEST_F(ReferenceBackend, LinearStacksWeightsAndAppliesTheEpilogueInOrder) {
  const Floats a{1, 2}, b{3, 4, 5, 6}, bias_b{100, 200};
  const WeightView weights[] = {view(a, {1, 2}), view(b, {2, 2})};
  const WeightView biases[] = {{}, view(bias_b, {2})};
  const auto w = backend->pack_linear(weights, biases, DType::kF64);
  EXPECT_EQ(w->in, 2);
  EXPECT_EQ(w->out, 3);
  const Tensor x = make({2, 1, 2}, {1, 1, -1, -1});
  const Tensor row_bias = make({2, 3}, {0, 0, 0, -1000, -1000, -1000});
  const Tensor residual = make({2, 1, 3}, {1, 1, 1, 7, 7, 7});
  Tensor y = pool.make({2, 1, 3}, DType::kF64);
  backend->linear(x, *w, {.row_bias = &row_bias, .residual = &residual, .act = Act::kSilu}, y);
  // The second row is far below zero: silu leaves the residual alone.
  const Floats got = get(y);
  EXPECT_FLOAT_EQ(got[0], 3 / (1 + std::exp(-3.0f)) + 1);
  EXPECT_FLOAT_EQ(got[1], 107 + 1);
  EXPECT_FLOAT_EQ(got[2], 211 + 1);
  EXPECT_EQ((Floats{got[3], got[4], got[5]}), (Floats{7, 7, 7}));
}

TEST_F(ReferenceBackend, ResidualMayBeTheResultItself) {
  const Floats weight{2};
  const WeightView weights[] = {view(weight, {1, 1})};
  const auto w = backend->pack_linear(weights, {}, DType::kF64);
  const Tensor x = make({1, 2, 1}, {1, 2});
  Tensor y = make({1, 2, 1}, {10, 20});
  backend->linear(x, *w, {.residual = &y}, y);
  EXPECT_EQ(get(y), (Floats{12, 24}));
}

TEST_F(ReferenceBackend, GroupNormUsesTheBiasedVarianceOfEachGroup) {
  const Floats gamma{1, 1, 2, 1}, beta{0, 0, 0, 5};
  const Tensor g = backend->constant(view(gamma, {4})), b = backend->constant(view(beta, {4}));
  EXPECT_EQ(g.dtype(), DType::kF64);
  Tensor x = make({1, 1, 2, 4}, {1, 3, 10, 10, 1, 3, 20, 20});
  backend->group_norm(x, {.gamma = &g, .beta = &b, .groups = 2, .eps = 0, .act = Act::kNone}, x);
  EXPECT_EQ(get(x), (Floats{-1, 1, -2, 4, -1, 1, 2, 6}));
}

TEST_F(ReferenceBackend, LayerNormNormalisesTheLastDimension) {
  const Floats gamma{1, 2}, beta{0.5f, 0};
  const Tensor g = backend->constant(view(gamma, {2})), b = backend->constant(view(beta, {2}));
  const Tensor x = make({1, 2, 2}, {1, 3, 5, 1});
  Tensor y = pool.make({1, 2, 2}, DType::kF64);
  backend->layer_norm(x, g, b, 3, y);  // variance 1 and 4: deviations 2 and sqrt(7)
  const float r = 2 / std::sqrt(7.0f);
  const Floats expected{0, 1, 0.5f + r, -2 * r}, got = get(y);
  for (size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(got[i], expected[i]);
}

TEST_F(ReferenceBackend, ActivationsAreTheExactForms) {
  const Tensor x = make({1, 1, 2}, {1, -2});
  Tensor y = pool.make({1, 1, 2}, DType::kF64);
  backend->activation(x, Act::kGelu, y);
  EXPECT_FLOAT_EQ(get(y)[0], 0.8413447461f);
  EXPECT_FLOAT_EQ(get(y)[1], -0.0455002639f);
  backend->activation(x, Act::kQuickGelu, y);
  EXPECT_FLOAT_EQ(get(y)[0], 0.8457957659f);
  backend->activation(x, Act::kSilu, y);
  EXPECT_FLOAT_EQ(get(y)[1], -0.2384058440f);
}

TEST_F(ReferenceBackend, GegluGatesTheFirstHalfByTheSecond) {
  const Tensor x = make({1, 1, 4}, {10, -3, 1, -2});
  Tensor y = pool.make({1, 1, 2}, DType::kF64);
  backend->geglu(x, y);
  EXPECT_FLOAT_EQ(get(y)[0], 8.413447461f);
  EXPECT_FLOAT_EQ(get(y)[1], 0.1365007919f);
}

TEST_F(ReferenceBackend, AttentionWeighsValuesBySoftmaxOfEachHead) {
  // Two heads of width 1; q is the first columns of a [1, 2, 6] tensor of q, k and v together.
  const float l2 = std::log(2.0f);
  const Tensor qkv = make({1, 2, 6}, {1, 2, 0, 0, 3, 8, 1, 0, l2, l2, 6, 23});
  const Columns q{&qkv, 0, 2}, k{&qkv, 2, 2}, v{&qkv, 4, 2};
  Tensor y = pool.make({1, 2, 2}, DType::kF64);
  backend->attention(q, k, v, {.heads = 2, .scale = 1, .causal = false}, y);
  const Floats expected{5, 20, 5, 15.5f};  // weights 1:2, 1:4; 1:2, 1:1
  for (size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(get(y)[i], expected[i]);
  backend->attention(q, k, v, {.heads = 2, .scale = 1, .causal = true}, y);
  EXPECT_FLOAT_EQ(get(y)[0], 3);
  EXPECT_FLOAT_EQ(get(y)[1], 8);
  EXPECT_FLOAT_EQ(get(y)[2], 5);
}

TEST_F(ReferenceBackend, LinearCombinationMixesElementTypesInPlace) {
  Tensor x = make({1, 1, 2}, {1, 2}, DType::kF32);
  const Tensor e = make({1, 1, 2}, {10, 20}, DType::kF64);
  const Tensor h = make({1, 1, 2}, {4, 8}, DType::kBF16);
  const Term terms[] = {{2, &x}, {0.5, &e}, {-1, &h}};
  backend->lincomb(terms, x);
  EXPECT_EQ(get(x), (Floats{3, 6}));
  EXPECT_EQ(x.dtype(), DType::kF32);
}

TEST_F(ReferenceBackend, UpsamplingTakesTheFlooredSourceIndex) {
  const Tensor x = make({1, 1, 2, 2}, {1, 2, 3, 4});
  Tensor y = pool.make({1, 2, 3, 2}, DType::kF64);
  backend->upsample_nearest(x, y);
  EXPECT_EQ(get(y), (Floats{1, 2, 1, 2, 3, 4, 1, 2, 1, 2, 3, 4}));
}

TEST_F(ReferenceBackend, ConcatJoinsTheLastDimension) {
  const Tensor a = make({1, 2, 1}, {1, 2}), b = make({1, 2, 2}, {3, 4, 5, 6});
  Tensor y = pool.make({1, 2, 3}, DType::kF64);
  backend->concat(a, b, y);
  EXPECT_EQ(get(y), (Floats{1, 3, 4, 2, 5, 6}));
}

TEST_F(ReferenceBackend, EmbedAddsThePositionToTheTokensRow) {
  const Tensor table = make({3, 2}, {0, 0, 1, 2, 3, 4}), positions = make({2, 2}, {10, 20, 30, 40});
  const int32_t ids[] = {2, 1, 0, 2};
  Tensor y = pool.make({2, 2, 2}, DType::kF64);
  backend->embed(ids, table, positions, y);
  EXPECT_EQ(get(y), (Floats{13, 24, 31, 42, 10, 20, 33, 44}));
}

}  // namespace
}  // namespace dedit

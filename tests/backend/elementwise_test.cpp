// Activations, linear combinations, layout ops and conversions of the backends.
#include <limits>

#include "op_test.h"

#include "dedit/error.h"

namespace dedit {
namespace {

class ElementwiseTest : public OpTest {};

TEST_P(ElementwiseTest, ActivationsMatchReference) {
  for (int64_t n : {1, 7, 16, 33, 70001}) {
    const Values x = random_values({1, n}, dtype(), 0, 3);
    for (Act act : {Act::kNone, Act::kSilu, Act::kGelu, Act::kQuickGelu}) {
      SCOPED_TRACE(::testing::Message() << n << " elements, act " << int(act));
      const Values y = outputs({1, n}, dtype());
      Tensor own_y = y.own, ref_y = y.ref;
      ref->activation(x.ref, act, ref_y);
      expect_same_for_any_threads(own_y, [&] { own().activation(x.own, act, own_y); });
      // Relative to the result itself: gelu(-6) keeps its digits (largest error measured 3.4e-7,
      // allowed 4.0e-7). Quick gelu rounds 1.702 x, which its exponential makes a relative error.
      std::vector<double> mag = doubles(ref_y);
      for (size_t i = 0; i < mag.size(); ++i) {
        mag[i] = std::abs(mag[i]);
        if (act == Act::kQuickGelu) mag[i] *= 1 + 1.702 * x.mag.data<double>()[i];
        // A GPU has 0.5 x (1 + erf), whose sum of two loses the digits of small results.
        if (is_gpu() && act == Act::kGelu) mag[i] = x.mag.data<double>()[i];
      }
      EXPECT_CLOSE(floats(own_y), doubles(ref_y), mag, 2, dtype());
      Tensor in_place = own_pool().make({1, n}, dtype());
      const Term copy{1, &x.own};
      own().lincomb({&copy, 1}, in_place);
      own().activation(in_place, act, in_place);
      EXPECT_TRUE(bytes(in_place) == bytes(own_y));
    }
  }
}

TEST_P(ElementwiseTest, ActivationsAreRightAtTheEnds) {
  const float inf = std::numeric_limits<float>::infinity();
  const float large = dtype() == DType::kF16 ? 6e4f : 1e30f;
  const Values x = values({0, -0.0f, large, -large, 100, -100, inf}, {1, 7}, dtype());
  for (Act act : {Act::kSilu, Act::kGelu, Act::kQuickGelu}) {
    Tensor y = own_pool().make({1, 7}, dtype());
    own().activation(x.own, act, y);
    const auto v = floats(y);
    EXPECT_EQ(v[0], 0);
    EXPECT_EQ(v[1], 0);
    EXPECT_EQ(v[2], rounded(large, dtype()));
    EXPECT_NEAR(v[3], 0, 1e-7);
    EXPECT_EQ(v[4], 100);
    EXPECT_NEAR(v[5], 0, 1e-35);
    EXPECT_EQ(v[6], inf);
  }
}

TEST_P(ElementwiseTest, GegluGatesWithTheSecondHalf) {
  for (const Shape& shape : {Shape{2, 9, 5}, Shape{1, 300, 320}, Shape{1, 1, 17}}) {
    Shape doubled = shape;
    doubled.set(-1, 2 * shape[-1]);
    const Values x = random_values(doubled, dtype(), 0, 2);
    const Values y = outputs(shape, dtype());
    Tensor own_y = y.own, ref_y = y.ref;
    ref->geglu(x.ref, ref_y);
    expect_same_for_any_threads(own_y, [&] { own().geglu(x.own, own_y); });
    std::vector<double> mag = doubles(ref_y);
    const int64_t n = shape[-1];
    for (size_t i = 0; i < mag.size(); ++i) {
      const double* row = x.mag.data<double>() + int64_t(i) / n * 2 * n + int64_t(i) % n;
      mag[i] = is_gpu() ? row[0] * row[n] : std::abs(mag[i]);  // see the activations above
    }
    EXPECT_CLOSE(floats(own_y), doubles(ref_y), mag, 2, dtype());
  }
}

TEST_P(ElementwiseTest, LincombMixesTypesAndMayOverwriteAnyTerm) {
  const Shape shape{2, 37, 900};
  const Values a = random_values(shape, DType::kF32), b = random_values(shape, DType::kBF16),
               c = random_values(shape, dtype());
  const auto terms = [&](Tensor Values::*side) {
    return std::vector<Term>{{0.3, &(a.*side)}, {-1.7, &(b.*side)}, {2.0, &(c.*side)}};
  };
  const Values y = outputs(shape, dtype());
  Tensor own_y = y.own, ref_y = y.ref, mag_y = y.mag;
  ref->lincomb(terms(&Values::ref), ref_y);
  const std::vector<Term> absolute{{0.3, &a.mag}, {1.7, &b.mag}, {2.0, &c.mag}};
  ref->lincomb(absolute, mag_y);
  expect_same_for_any_threads(own_y, [&] { own().lincomb(terms(&Values::own), own_y); });
  EXPECT_CLOSE(floats(own_y), doubles(ref_y), doubles(mag_y), 3, dtype());
  Tensor in_place = c.own;
  own().lincomb(terms(&Values::own), in_place);
  EXPECT_TRUE(bytes(in_place) == bytes(own_y));
}

TEST_P(ElementwiseTest, LincombOfOneTermConvertsAndOfNoneIsRefused) {
  const Values x = random_values({1, 1000}, DType::kF32);
  Tensor y = own_pool().make({1, 1000}, dtype());
  const Term term{1, &x.own};
  own().lincomb({&term, 1}, y);
  std::vector<float> want = floats(x.own);
  for (float& v : want) v = rounded(v, dtype());
  EXPECT_EQ(floats(y), want);
  EXPECT_THROW(own().lincomb({}, y), Error);
}

TEST_P(ElementwiseTest, BlendIsExactWhereTheMaskIsZeroOrOne) {
  const Shape shape{2, 5, 6, 4};
  std::vector<float> mask = random(30, DType::kF32, 0.5f, 0.2f);
  std::fill_n(mask.begin(), 10, 0.0f);
  std::fill_n(mask.begin() + 10, 10, 1.0f);
  const Values m = values(mask, {1, 5, 6, 1}, DType::kF32);
  Values a = random_values(shape, dtype()), b = random_values(shape, dtype());
  const Values y = outputs(shape, dtype());
  Tensor own_y = y.own, ref_y = y.ref;
  ref->blend(m.ref, a.ref, b.ref, ref_y);
  expect_same_for_any_threads(own_y, [&] { own().blend(m.own, a.own, b.own, own_y); });
  std::vector<double> mag(doubles(a.mag));
  for (size_t i = 0; i < mag.size(); ++i) mag[i] += b.mag.data<double>()[i];
  EXPECT_CLOSE(floats(own_y), doubles(ref_y), mag, 2, dtype());
  const auto got = floats(own_y), va = floats(a.own), vb = floats(b.own);
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t pixel = i / 4 % 30;
    if (pixel >= 20) continue;
    EXPECT_EQ(got[i], pixel < 10 ? vb[i] : va[i]) << pixel;
  }
  own().blend(m.own, a.own, b.own, a.own);
  EXPECT_TRUE(bytes(a.own) == bytes(own_y));
}

TEST_P(ElementwiseTest, UpsampleTakesTheNearestPixelBelow) {
  struct Case {
    Shape from, to;
  };
  const Case cases[] = {{{2, 3, 4, 5}, {2, 6, 8, 5}},
                        {{1, 5, 7, 16}, {1, 8, 9, 16}},
                        {{1, 1, 1, 3}, {1, 4, 3, 3}},
                        {{1, 9, 9, 2}, {1, 4, 5, 2}}};
  for (const Case& c : cases) {
    const Values x = random_values(c.from, dtype());
    const Values y = outputs(c.to, dtype());
    Tensor own_y = y.own, ref_y = y.ref;
    ref->upsample_nearest(x.ref, ref_y);
    expect_same_for_any_threads(own_y, [&] { own().upsample_nearest(x.own, own_y); });
    const auto want = doubles(ref_y);
    EXPECT_EQ(floats(own_y), std::vector<float>(want.begin(), want.end()));
  }
}

TEST_P(ElementwiseTest, ConcatJoinsTheLastDimension) {
  const Values a = random_values({2, 9, 7, 5}, dtype()), b = random_values({2, 9, 7, 64}, dtype());
  const Values y = outputs({2, 9, 7, 69}, dtype());
  Tensor own_y = y.own, ref_y = y.ref;
  ref->concat(a.ref, b.ref, ref_y);
  expect_same_for_any_threads(own_y, [&] { own().concat(a.own, b.own, own_y); });
  const auto want = doubles(ref_y);
  EXPECT_EQ(floats(own_y), std::vector<float>(want.begin(), want.end()));
}

TEST_P(ElementwiseTest, EmbedAddsTokenAndPosition) {
  const std::vector<float> table = random(11 * 37, DType::kF32);
  const std::vector<float> positions = random(4 * 37, DType::kF32);
  const Tensor t = own().constant({table.data(), DType::kF32, {11, 37}});
  const Tensor p = own().constant({positions.data(), DType::kF32, {4, 37}});
  const std::vector<int32_t> ids{3, 10, 0, 3, 7, 7, 1, 2};
  Tensor y = own_pool().make({2, 4, 37}, dtype());
  expect_same_for_any_threads(y, [&] { own().embed(ids, t, p, y); });
  const auto got = floats(y);
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t token = i / 37, c = i % 37;
    const float sum = table[size_t(ids[token]) * 37 + c] + positions[token % 4 * 37 + c];
    EXPECT_EQ(got[i], rounded(sum, dtype()));
  }
}

TEST_P(ElementwiseTest, ConstantsBecomeF32AndOutliveTheBackend) {
  const uint16_t half[] = {to_half(1.5f).bits, to_half(-2).bits};
  const Tensor t = own().constant({half, DType::kF16, {2}});
  EXPECT_EQ(t.dtype(), DType::kF32);
  EXPECT_EQ(floats(t), (std::vector<float>{1.5f, -2}));
  release();
  EXPECT_EQ(t.dim(0), 2);
}

TEST_P(ElementwiseTest, UploadRoundsToNearestEvenLikeTheScalarConversion) {
  std::vector<float> host;
  for (uint32_t high = 0; high < 0x10000; high += 7) {  // every exponent, both signs, NaNs
    for (uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      host.push_back(std::bit_cast<float>(high << 16 | low));
    }
  }
  Tensor y = own_pool().make({int64_t(host.size())}, dtype());
  own().upload(host.data(), y);
  const std::vector<float> got = floats(y);
  for (size_t i = 0; i < host.size(); ++i) {
    const float want = rounded(host[i], dtype());
    if (is_gpu() && std::isnan(want)) {
      ASSERT_TRUE(std::isnan(got[i])) << host[i];  // a GPU has one NaN
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(want)) << host[i];
    }
  }
}

TEST_P(ElementwiseTest, SumOfSquaresIsThatOfDoublesAndTouchesNoOther) {
  for (const int64_t n : {1, 7, 33, 4099, 70001}) {
    const Values x = random_values({1, n}, dtype(), 0.5f, 3);
    Tensor ref_y = ref_pool.make({1}, DType::kF64);
    ref->sum_of_squares(x.ref, ref_y);
    const double want = ref_y.data<double>()[0];
    Tensor sums = own_pool().make({3}, DType::kF64);
    for (const int64_t i : {2, 0, 1}) {
      Tensor y = sums.rows(i, 1);
      own().sum_of_squares(x.own, y);
    }
    const std::vector<float> got = floats(sums);
    for (const float sum : got) EXPECT_NEAR(sum, want, 0x1p-23 * want) << n;
    EXPECT_TRUE(got[0] == got[1] && got[1] == got[2]);
  }
}

TEST_P(ElementwiseTest, OtherActivationTypesAreRefused) {
  Tensor x = ref_pool.make({1, 4}, DType::kF64), y = ref_pool.make({1, 4}, DType::kF64);
  EXPECT_THROW(own().activation(x, Act::kSilu, y), Error);
  const float host[4] = {};
  EXPECT_THROW(own().upload(host, y), Error);
}

DEDIT_OP_TEST(ElementwiseTest);

}  // namespace
}  // namespace dedit

// Group norm and layer norm of the backends.
#include "op_test.h"

namespace dedit {
namespace {

class NormTest : public OpTest {
 protected:
  struct Case {
    Shape shape;
    int groups;
    Act act = Act::kNone;
    float mean = 0, deviation = 1;
  };

  /// |gamma| (|x| + mean of |x|) / sqrt(var + eps) + |beta|: what is added up behind each result.
  std::vector<double> magnitude(const Values& x, const Shape& shape, int64_t width, double eps,
                                const Values& gamma, const Values& beta) {
    const std::vector<double> v = doubles(x.ref);
    const int64_t batch = shape[0], channels = shape[-1];
    const int64_t pixels = shape.numel() / (batch * channels);
    std::vector<double> mag(v.size());
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t first = 0; first < channels; first += width) {
        const auto for_group = [&](const auto& body) {
          for (int64_t p = 0; p < pixels; ++p) {
            for (int64_t c = first; c < first + width; ++c) {
              body(size_t((b * pixels + p) * channels + c), c);
            }
          }
        };
        double sum = 0, absolute = 0, square = 0;
        for_group([&](size_t i, int64_t) {
          sum += v[i];
          absolute += std::abs(v[i]);
        });
        const double mean = sum / double(pixels * width);
        absolute /= double(pixels * width);
        for_group([&](size_t i, int64_t) { square += (v[i] - mean) * (v[i] - mean); });
        const double rstd = 1 / std::sqrt(square / double(pixels * width) + eps);
        for_group([&](size_t i, int64_t c) {
          mag[i] = gamma.mag.data<double>()[c] * (std::abs(v[i]) + absolute) * rstd +
                   beta.mag.data<double>()[c];
        });
      }
    }
    return mag;
  }
};

TEST_P(NormTest, GroupNormMatchesReferenceForAnyThreads) {
  const Case cases[] = {
      {{2, 8, 8, 320}, 32, Act::kSilu},
      {{1, 5, 7, 160}, 32},            // groups of 5
      {{2, 3, 3, 21}, 3, Act::kGelu},  // groups of 7, tails
      {{1, 1, 1, 32}, 8, Act::kQuickGelu},
      {{3, 77, 96}, 32, Act::kSilu},  // [B, T, C], groups of 3
      {{1, 64, 48, 10}, 1},
      {{1, 40, 40, 64}, 32, Act::kNone, 100, 1},  // the mean far from zero
      {{1, 16, 16, 64}, 4, Act::kNone, -3000, 1},
      {{1, 4, 4, 8}, 2, Act::kNone, 5, 0},  // constant: the result is beta
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.shape.str());
    const int64_t channels = c.shape[-1];
    const Values x = random_values(c.shape, dtype(), c.mean, c.deviation);
    const Values gamma = random_values({channels}, DType::kF32, 1, 0.5f);
    const Values beta = random_values({channels}, DType::kF32);
    const Values y = outputs(c.shape, dtype());
    Tensor own_y = y.own, ref_y = y.ref;
    ref->group_norm(x.ref, {&gamma.ref, &beta.ref, c.groups, 1e-5f, c.act}, ref_y);
    expect_same_for_any_threads(own_y, [&] {
      own().group_norm(x.own, {&gamma.own, &beta.own, c.groups, 1e-5f, c.act}, own_y);
    });
    EXPECT_CLOSE(floats(own_y), doubles(ref_y),
                 magnitude(x, c.shape, channels / c.groups, 1e-5, gamma, beta), 1, dtype());
  }
}

TEST_P(NormTest, GroupNormKeepsTheDigitsThatAMeanOfAThousandDeviationsLeaves) {
  // E[x^2] - E[x]^2 in f32 would lose the variance: 1e6 against 1.
  const Shape shape{1, 32, 32, 32};
  std::vector<float> host = random(shape.numel(), DType::kF32);
  for (float& v : host) v = rounded(1000 + v, dtype());
  const Values x = values(host, shape, dtype());
  const Values gamma = values(std::vector<float>(32, 1), {32}, DType::kF32);
  const Values beta = values(std::vector<float>(32, 0), {32}, DType::kF32);
  Tensor y = own_pool().make(shape, dtype()), ref_y = ref_pool.make(shape, DType::kF64);
  own().group_norm(x.own, {&gamma.own, &beta.own, 8, 1e-5f, Act::kNone}, y);
  ref->group_norm(x.ref, {&gamma.ref, &beta.ref, 8, 1e-5f, Act::kNone}, ref_y);
  const auto got = floats(y);
  const auto want = doubles(ref_y);
  // 1e-4: the mean, 1000, is rounded to f32 (3e-5) before it is subtracted.
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], 1e-4 + unit_roundoff(dtype()) * std::abs(want[i])) << i;
  }
}

TEST_P(NormTest, LayerNormMatchesReferenceForAnyThreads) {
  const Case cases[] = {{{2, 77, 768}, 1},
                        {{1, 9, 5}, 1},
                        {{3, 4, 17}, 1},
                        {{300, 40}, 1},
                        {{1, 6, 33}, 1, Act::kNone, 50, 1}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.shape.str());
    const int64_t n = c.shape[-1], rows = c.shape.numel() / n;
    const Values x = random_values(c.shape, dtype(), c.mean, c.deviation);
    const Values gamma = random_values({n}, DType::kF32, 1, 0.5f);
    const Values beta = random_values({n}, DType::kF32);
    const Values y = outputs(c.shape, dtype());
    Tensor own_y = y.own, ref_y = y.ref;
    ref->layer_norm(x.ref, gamma.ref, beta.ref, 1e-5f, ref_y);
    expect_same_for_any_threads(
        own_y, [&] { own().layer_norm(x.own, gamma.own, beta.own, 1e-5f, own_y); });
    EXPECT_CLOSE(floats(own_y), doubles(ref_y), magnitude(x, {rows, n}, n, 1e-5, gamma, beta), 1,
                 dtype());
  }
}

TEST_P(NormTest, OutputMayBeTheInput) {
  const Shape shape{2, 6, 6, 40};
  const Values x = random_values(shape, dtype());
  const Values gamma = random_values({40}, DType::kF32), beta = random_values({40}, DType::kF32);
  Tensor apart = own_pool().make(shape, dtype());
  own().group_norm(x.own, {&gamma.own, &beta.own, 8, 1e-5f, Act::kSilu}, apart);
  Tensor again = own_pool().make(shape, dtype());
  own().layer_norm(apart, gamma.own, beta.own, 1e-5f, again);
  Tensor in_place = x.own;
  own().group_norm(in_place, {&gamma.own, &beta.own, 8, 1e-5f, Act::kSilu}, in_place);
  EXPECT_TRUE(bytes(apart) == bytes(in_place));
  own().layer_norm(in_place, gamma.own, beta.own, 1e-5f, in_place);
  EXPECT_TRUE(bytes(again) == bytes(in_place));
}

DEDIT_OP_TEST(NormTest);

}  // namespace
}  // namespace dedit

// Attention as an op of the backends; attention_test.cpp has the CPU's kernels.
#include "op_test.h"

namespace dedit {
namespace {

struct AttentionCase {
  int64_t batch, tokens_q, tokens_k;
  int heads;
  int64_t head_dim;
  bool is_causal = false;
};

std::ostream& operator<<(std::ostream& s, const AttentionCase& c) {
  return s << c.batch << " x " << c.tokens_q << " x " << c.tokens_k << ", " << c.heads
           << " heads of " << c.head_dim << (c.is_causal ? ", causal" : "");
}

class AttentionOp : public OpTest {
 protected:
  /// The error allowed in units of the weighted mean of |v|: scores in the exponent, weights
  /// rounded in numerator and denominator, sums over keys.
  double allowed(const AttentionCase& c, const Values& q, const Values& k) const {
    const auto largest = [](const Tensor& t) {
      return *std::max_element(t.data<double>(), t.data<double>() + t.numel());
    };
    const double products = std::sqrt(double(c.head_dim)) * largest(q.mag) * largest(k.mag);
    const double unit = 0x1p-24;
    const double of_scores = 2 * (4 * std::sqrt(double(c.head_dim)) + 4) * unit * products;
    const double of_weights =
        dtype() == DType::kF32 ? 2 * 1.5e-7 : 2 * (unit_roundoff(dtype()) + 7.5e-5);
    return of_scores + of_weights + 2 * 4 * std::sqrt(double(c.tokens_k)) * unit;
  }

  void expect_match(const AttentionCase& c, const Values& q, const Values& kv) {
    const int64_t n = c.heads * c.head_dim;
    const AttentionParams params{
        .heads = c.heads, .scale = 1 / std::sqrt(float(c.head_dim)), .causal = c.is_causal};
    const Values y = outputs({c.batch, c.tokens_q, n}, dtype());
    // The mean of |v| under the same weights: |v| stands beside the keys as they are.
    Tensor own_y = y.own, ref_y = y.ref, mag_y = y.mag;
    ref->attention({&q.ref, 0, n}, {&kv.ref, 0, n}, {&kv.ref, n, n}, params, ref_y);
    ref->attention({&q.ref, 0, n}, {&kv.ref, 0, n}, {&kv.mag, n, n}, params, mag_y);
    expect_same_for_any_threads(own_y, [&] {
      own().attention({&q.own, 0, n}, {&kv.own, 0, n}, {&kv.own, n, n}, params, own_y);
    });
    const std::vector<float> got = floats(own_y);
    const std::vector<double> want = doubles(ref_y), mag = doubles(mag_y);
    const double of_mean = allowed(c, q, kv), of_result = unit_roundoff(dtype());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], of_mean * mag[i] + of_result * std::abs(want[i])) << i;
    }
  }
};

TEST_P(AttentionOp, MatchesReferenceForAnyThreads) {
  const AttentionCase cases[] = {{2, 64, 77, 2, 40},  {1, 77, 77, 1, 64, true}, {1, 70, 70, 2, 80},
                                 {2, 16, 16, 1, 160}, {1, 20, 33, 1, 512},      {3, 1, 1, 2, 16},
                                 {1, 17, 19, 3, 5},   {1, 33, 130, 1, 64}};
  for (const AttentionCase& c : cases) {
    SCOPED_TRACE(::testing::Message() << c);
    const int64_t n = c.heads * c.head_dim;
    const Values q = random_values({c.batch, c.tokens_q, n}, dtype());
    expect_match(c, q, random_values({c.batch, c.tokens_k, 2 * n}, dtype()));
  }
}

TEST_P(AttentionOp, TakesQKAndVOutOfOneProduct) {
  const int64_t n = 2 * 40;
  const Values qkv = random_values({2, 30, 3 * n}, dtype());
  const AttentionParams params{.heads = 2, .scale = 1 / std::sqrt(40.0f), .causal = false};
  const auto part = [&](int64_t i) {
    std::vector<float> columns;
    const std::vector<float> all = floats(qkv.own);
    for (int64_t row = 0; row < 60; ++row) {
      const auto first = all.begin() + row * 3 * n + i * n;
      columns.insert(columns.end(), first, first + n);
    }
    return values(columns, {2, 30, n}, dtype());
  };
  const Values q = part(0), k = part(1), v = part(2);
  Tensor joined = own_pool().make({2, 30, n}, dtype()),
         apart = own_pool().make({2, 30, n}, dtype());
  own().attention({&qkv.own, 0, n}, {&qkv.own, n, n}, {&qkv.own, 2 * n, n}, params, joined);
  own().attention({&q.own, 0, n}, {&k.own, 0, n}, {&v.own, 0, n}, params, apart);
  EXPECT_TRUE(bytes(joined) == bytes(apart));
}

DEDIT_OP_TEST(AttentionOp);

}  // namespace
}  // namespace dedit

// Flash attention of every instruction-set level of this CPU against a double-precision softmax.
#include "cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/dtype.h"
#include "core/parallel.h"
#include "cpu/kernels.h"

namespace dedit {
namespace {

using kernels::AttentionArgs;

struct Level {
  const char* name;
  const kernels::KernelTable* table;
};

std::vector<Level> levels() {
  using enum kernels::IsaLevel;
  std::vector<Level> all;
  kernels::IsaLevel best;
  if (!kernels::best_isa(best)) return all;
  for (const auto level : {kAvx2, kAvx512, kAvx512Bf16, kAmx})
    if (level <= best) all.push_back({kernels::name_of(level), &kernels::kernel_table(level)});
  return all;
}

/// Element type E of one tensor [batch, tokens, row] whose first `gap` columns of each row belong
/// to others: they hold NaN in inputs, and must be left alone in the output.
template <class E>
struct Rows {
  int64_t batch, tokens, width, gap;
  std::vector<E> data;
  Rows(int64_t b, int64_t t, int64_t w, int64_t g)
      : batch(b), tokens(t), width(w), gap(g), data(size_t(b * t * (w + g))) {}
  int64_t row() const { return width + gap; }
  E& at(int64_t b, int64_t t, int64_t c) {
    return data[size_t((b * tokens + t) * row() + gap + c)];
  }
  E* first() { return data.data() + gap; }
};

void set(float& e, float v) {
  e = v;
}
void set(BFloat16& e, float v) {
  e = to_bfloat16(v);
}
double get(float e) {
  return e;
}
double get(BFloat16 e) {
  return to_float(e);
}

struct Case {
  int64_t batch, tokens_q, tokens_k;
  int heads, head_dim;
  bool causal = false;
  float spread = 1;  ///< standard deviation of q and k
  int64_t gap = 0;
  std::string str() const {
    return "batch " + std::to_string(batch) + ", queries " + std::to_string(tokens_q) + ", keys " +
           std::to_string(tokens_k) + ", heads " + std::to_string(heads) + ", head_dim " +
           std::to_string(head_dim) + (causal ? ", causal" : "");
  }
};

/// Inputs from seed 1, the arguments that describe them, and one run.
template <class E>
struct Problem {
  static constexpr bool kIsBf16 = sizeof(E) == 2;
  Case c;
  Rows<E> q, k, v, y;
  AttentionArgs args;

  explicit Problem(const Case& from)
      : c(from),
        q(c.batch, c.tokens_q, c.heads * c.head_dim, c.gap),
        k(c.batch, c.tokens_k, c.heads * c.head_dim, 2 * c.gap),
        v(c.batch, c.tokens_k, c.heads * c.head_dim, 3 * c.gap),
        y(c.batch, c.tokens_q, c.heads * c.head_dim, c.gap) {
    std::mt19937 engine(1);
    fill(q, c.spread, engine);
    fill(k, c.spread, engine);
    fill(v, 1, engine);
    for (E& e : y.data) set(e, 7);
    args = {.q = q.first(),
            .k = k.first(),
            .v = v.first(),
            .y = y.first(),
            .q_row = q.row(),
            .k_row = k.row(),
            .v_row = v.row(),
            .y_row = y.row(),
            .q_batch = q.row() * c.tokens_q,
            .k_batch = k.row() * c.tokens_k,
            .v_batch = v.row() * c.tokens_k,
            .y_batch = y.row() * c.tokens_q,
            .batch = c.batch,
            .tokens_q = c.tokens_q,
            .tokens_k = c.tokens_k,
            .heads = c.heads,
            .head_dim = c.head_dim,
            .scale = 1 / std::sqrt(float(c.head_dim)),
            .causal = c.causal};
  }

  static void fill(Rows<E>& x, float spread, std::mt19937& engine) {
    std::normal_distribution<float> normal(0, spread);
    for (E& e : x.data) set(e, std::numeric_limits<float>::quiet_NaN());
    for (int64_t b = 0; b < x.batch; ++b)
      for (int64_t t = 0; t < x.tokens; ++t)
        for (int64_t i = 0; i < x.width; ++i) set(x.at(b, t, i), normal(engine));
  }

  void run_task(const Level& level, int64_t task) const {
    // NaN all over, and a guard behind: scratch must be neither read before it is written nor
    // overrun.
    const size_t floats = level.table->attention_scratch_bytes(args) / sizeof(float), guard = 64;
    std::vector<float> scratch(floats + guard + 16, std::numeric_limits<float>::quiet_NaN());
    void* aligned = scratch.data();
    size_t space = scratch.size() * sizeof(float);
    std::align(64, floats * sizeof(float), aligned, space);
    level.table->attention[kIsBf16 ? kernels::kTypeBf16 : kernels::kTypeF32](args, task, aligned);
    const float* end = static_cast<float*>(aligned) + floats;
    EXPECT_TRUE(std::all_of(end, end + guard - 16, [](float f) { return std::isnan(f); }));
  }
  void run(const Level& level) const {
    for (int64_t i = 0; i < level.table->attention_tasks(args); ++i) run_task(level, i);
  }
};

constexpr double kUnit = 0x1p-24;  // rounding of f32

/// One query against double precision. The allowed error is that of its three roundings, in units
/// of the weighted mean of |v|: scores (sums of D products, in the exponent), probabilities (f32:
/// a polynomial good to 1.5e-7; bf16: half a unit, in numerator and denominator), sums over keys.
template <class E>
void expect_query(Problem<E>& p, int64_t b, int64_t t, int64_t head) {
  const int64_t n_keys = p.c.causal ? std::min(t + 1, p.c.tokens_k) : p.c.tokens_k;
  const int64_t dim = p.c.head_dim, column = head * dim;
  std::vector<double> weights(static_cast<size_t>(n_keys));
  double largest = -1e300, largest_products = 0;
  for (int64_t j = 0; j < n_keys; ++j) {
    double score = 0, products = 0;
    for (int64_t d = 0; d < dim; ++d) {
      const double product = get(p.q.at(b, t, column + d)) * get(p.k.at(b, j, column + d));
      score += product;
      products += std::abs(product);
    }
    weights[size_t(j)] = score * double(p.args.scale);
    largest = std::max(largest, weights[size_t(j)]);
    largest_products = std::max(largest_products, products * double(p.args.scale));
  }
  double total = 0;
  for (double& w : weights) total += w = std::exp(w - largest);
  const double of_scores = 2 * (4 * std::sqrt(double(dim)) + 4) * kUnit * largest_products;
  const double of_weights = Problem<E>::kIsBf16 ? 2 * (0x1p-8 + 7.5e-5) : 2 * 1.5e-7;
  const double of_sums = 2 * 4 * std::sqrt(double(n_keys)) * kUnit;
  const double u_out = Problem<E>::kIsBf16 ? 0x1p-8 : kUnit;
  for (int64_t d = 0; d < dim; ++d) {
    double expected = 0, magnitude = 0;
    for (int64_t j = 0; j < n_keys; ++j) {
      const double term = weights[size_t(j)] / total * get(p.v.at(b, j, column + d));
      expected += term;
      magnitude += std::abs(term);
    }
    const double allowed =
        (of_scores + of_weights + of_sums) * magnitude + u_out * std::abs(expected);
    ASSERT_NEAR(get(p.y.at(b, t, column + d)), expected, allowed)
        << p.c.str() << "; at batch row " << b << ", query " << t << ", head " << head
        << ", channel " << d;
  }
}

/// Checks about `samples` queries, always the first and the last.
template <class E>
void expect_matches(const Level& level, const Case& c, int64_t samples = 40) {
  SCOPED_TRACE(std::string(level.name) + (Problem<E>::kIsBf16 ? " bf16" : " f32"));
  Problem<E> p(c);
  p.run(level);
  const int64_t n = c.batch * c.tokens_q, step = std::max<int64_t>(1, n / samples);
  for (int64_t i = 0; i < n && !::testing::Test::HasFatalFailure(); i += step)
    for (int head = 0; head < c.heads; ++head)
      expect_query(p, i / c.tokens_q, i % c.tokens_q, head);
  for (int head = 0; head < c.heads; ++head) expect_query(p, c.batch - 1, c.tokens_q - 1, head);
  for (int64_t r = 0; r < n; ++r)
    for (int64_t i = 0; i < c.gap; ++i)
      ASSERT_EQ(get(p.y.data[size_t(r * p.y.row() + i)]), 7) << c.str();
}

class Attention : public ::testing::TestWithParam<Level> {};
INSTANTIATE_TEST_SUITE_P(Levels, Attention, ::testing::ValuesIn(levels()),
                         [](const auto& instance) { return std::string(instance.param.name); });

template <class E>
void match_model_shapes(const Level& level) {
  const Case cases[] = {
      {2, 77, 77, 2, 64, true},  // CLIP
      {1, 256, 256, 2, 40},     {1, 200, 300, 1, 80},  {2, 64, 64, 1, 160},
      {2, 100, 77, 2, 40},      {1, 200, 300, 1, 512},  // cross attention, VAE
      {1, 129, 130, 1, 32},
  };
  for (const Case& c : cases) expect_matches<E>(level, c);
}
TEST_P(Attention, MatchesDoubleOnModelShapesInF32) {
  match_model_shapes<float>(GetParam());
}
TEST_P(Attention, MatchesDoubleOnModelShapesInBf16) {
  match_model_shapes<BFloat16>(GetParam());
}

TEST_P(Attention, MatchesDoubleOnOddSizes) {
  for (const int dim : {1, 2, 3, 5, 13, 14, 15, 17, 29, 31, 33, 47, 129}) {
    for (const int64_t keys : {1, 2, 15, 127, 129}) {
      const Case c{.batch = 1,
                   .tokens_q = 1 + keys % 37,
                   .tokens_k = keys,
                   .heads = 2,
                   .head_dim = dim,
                   .gap = 3};
      expect_matches<float>(GetParam(), c, 8);
      expect_matches<BFloat16>(GetParam(), c, 8);
    }
  }
}

TEST_P(Attention, MatchesDoubleOverManyPassesAndTasks) {
  const Case c{.batch = 1, .tokens_q = 1100, .tokens_k = 1700, .heads = 1, .head_dim = 16};
  expect_matches<float>(GetParam(), c, 16);
  expect_matches<BFloat16>(GetParam(), c, 16);
}

TEST_P(Attention, CausalQueriesSeeNoLaterKey) {
  for (const auto& [queries, keys] : {std::pair<int64_t, int64_t>{300, 300},
                                      {200, 40},
                                      {40, 200},
                                      {1, 1},
                                      {33, 33},
                                      {129, 130}}) {
    const Case c{.batch = 2,
                 .tokens_q = queries,
                 .tokens_k = keys,
                 .heads = 1,
                 .head_dim = 24,
                 .causal = true};
    expect_matches<float>(GetParam(), c, 80);
    expect_matches<BFloat16>(GetParam(), c, 80);
  }
}

TEST_P(Attention, ReadsStridedColumnsAndWritesNothingElse) {
  const Case c{.batch = 3, .tokens_q = 70, .tokens_k = 90, .heads = 3, .head_dim = 40, .gap = 9};
  expect_matches<float>(GetParam(), c);
  expect_matches<BFloat16>(GetParam(), c);
}

TEST_P(Attention, SurvivesLargeLogits) {
  // Scores of about +-80 and beyond: exp would overflow f32 without the running maximum.
  for (const bool causal : {false, true}) {
    const Case c{.batch = 1,
                 .tokens_q = 150,
                 .tokens_k = 300,
                 .heads = 1,
                 .head_dim = 40,
                 .causal = causal,
                 .spread = 5.5f};
    expect_matches<float>(GetParam(), c);
    expect_matches<BFloat16>(GetParam(), c);
  }
}

TEST_P(Attention, TakesAnEarlyMaximumThatDwarfsTheRest) {
  // The first key wins by 160: all others' weights vanish, and so do the corrections.
  Problem<float> p({.batch = 1, .tokens_q = 40, .tokens_k = 300, .heads = 1, .head_dim = 1});
  for (float& e : p.q.data) e = 1;
  for (float& e : p.k.data) e = -80;
  p.k.data[0] = 80;
  p.run(GetParam());
  // Three roundings: weight times value, the inverse of the weight, their product.
  for (const float y : p.y.data) EXPECT_FLOAT_EQ(y, p.v.data[0]);
}

TEST_P(Attention, TakesALateMaximumThatDwarfsTheRest) {
  Problem<float> p({.batch = 1, .tokens_q = 40, .tokens_k = 300, .heads = 1, .head_dim = 1});
  for (float& e : p.q.data) e = 1;
  for (float& e : p.k.data) e = -80;
  p.k.data.back() = 80;
  p.run(GetParam());
  for (const float y : p.y.data) EXPECT_FLOAT_EQ(y, p.v.data.back());
}

TEST_P(Attention, KeepsItsScaleOverManyBlocksOfKeys) {
  // All scores are equal, the values +1 in the first half and -1 in the second: what remains of
  // the sum is how much a block's weight changes while later ones go by.
  const int64_t keys = 8192;
  Problem<float> p({.batch = 1, .tokens_q = 40, .tokens_k = keys, .heads = 1, .head_dim = 1});
  for (size_t i = 0; i < p.q.data.size(); ++i) p.q.data[i] = 0.5f + float(i) * 0.37f;
  for (float& e : p.k.data) e = 5.3f;
  for (size_t i = 0; i < p.v.data.size(); ++i) p.v.data[i] = i < size_t(keys / 2) ? 1.0f : -1.0f;
  p.run(GetParam());
  const float allowed = float(4 * std::sqrt(double(keys)) * kUnit);  // roundings of the sums
  for (const float y : p.y.data) EXPECT_NEAR(y, 0, allowed);
}

TEST_P(Attention, AScaleAboveOneWorks) {
  Problem<float> p(
      {.batch = 1, .tokens_q = 50, .tokens_k = 140, .heads = 1, .head_dim = 3, .causal = true});
  p.args.scale = 3;
  p.run(GetParam());
  for (int64_t t = 0; t < 50; ++t) expect_query(p, 0, t, 0);
}

TEST_P(Attention, WeightsAddUpToOneInBf16) {
  Problem<BFloat16> p(
      {.batch = 1, .tokens_q = 100, .tokens_k = 333, .heads = 1, .head_dim = 40, .spread = 2});
  for (BFloat16& e : p.v.data) e = to_bfloat16(0.7109375f);
  p.run(GetParam());
  for (const BFloat16 y : p.y.data) EXPECT_EQ(to_float(y), 0.7109375f);
}

TEST_P(Attention, DoesNotDependOnThreadsOrTaskOrder) {
  const Case c{.batch = 2, .tokens_q = 1500, .tokens_k = 200, .heads = 2, .head_dim = 32};
  Problem<float> forward(c), backward(c), threaded(c);
  const int64_t tasks = GetParam().table->attention_tasks(forward.args);
  EXPECT_GE(tasks, 8);
  forward.run(GetParam());
  for (int64_t i = tasks - 1; i >= 0; --i) backward.run_task(GetParam(), i);
  const int before = num_threads();
  set_num_threads(3);
  parallel_for(tasks, [&](int64_t i) { threaded.run_task(GetParam(), i); });
  set_num_threads(before);
  EXPECT_EQ(forward.y.data, backward.y.data);
  EXPECT_EQ(forward.y.data, threaded.y.data);
}

}  // namespace
}  // namespace dedit

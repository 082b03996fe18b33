// Attention kernels, in the emulator, against softmax in double precision.
#include "cuda/attention.h"

#include <cmath>
#include <set>
#include <stdexcept>
#include <utility>

#include "cuda/attention_exp.h"
#include "cuda/attention_map.h"
#include "kernel_test.h"

namespace dedit::cuda {
namespace {

struct Sizes {
  int64_t batch = 1, tokens_q = 1, tokens_k = 1;
  int heads = 1, head_dim = 64;
  float scale = 0;  ///< 0: 1 / sqrt(head_dim)
  bool causal = false;
  int64_t gap = 0;     ///< elements between the rows of y; q, k and v lie in rows of 3 parts and it
  int64_t offset = 0;  ///< of all matrices from their arrays' start
  int multiprocessors = 108, capability = 80;
};

constexpr int kFewMultiprocessors = 1;  // blocks of 128 queries, where there are such

class AttentionKernel : public KernelTest {
 protected:
  void SetUp() override { type = GetParam(); }

  AttentionArgs args_of(const Sizes& s) const {
    AttentionArgs a;
    const int64_t columns = int64_t(s.heads) * s.head_dim;
    a.type = type;
    a.batch = s.batch, a.tokens_q = s.tokens_q, a.tokens_k = s.tokens_k;
    a.heads = s.heads, a.head_dim = s.head_dim, a.causal = s.causal;
    a.scale = s.scale > 0 ? s.scale : 1 / std::sqrt(float(s.head_dim));
    a.y_row = columns + s.gap;
    a.q_row = a.k_row = a.v_row = s.gap > 0 ? 3 * columns + s.gap : columns;
    a.q_batch = s.tokens_q * a.q_row, a.y_batch = s.tokens_q * a.y_row;
    a.k_batch = a.v_batch = s.tokens_k * a.k_row;
    a.multiprocessors = s.multiprocessors, a.capability = s.capability;
    return a;
  }

  // Exactly as many elements as the matrix reaches.
  static int64_t reach(const Sizes& s, int64_t tokens, int64_t row) {
    return s.offset + (s.batch * tokens - 1) * row + s.heads * s.head_dim;
  }

  void check(const Sizes& s, float deviation = 1) {
    AttentionArgs a = args_of(s);
    const Array q = random_array(type, reach(s, s.tokens_q, a.q_row), 0, deviation);
    const Array k = random_array(type, reach(s, s.tokens_k, a.k_row), 0, deviation);
    check(s, q, k);
  }

  void check(const Sizes& s, Array q, Array k) {
    SCOPED_TRACE(testing::Message()
                 << s.batch << " x " << s.heads << " heads of " << s.head_dim << ", " << s.tokens_q
                 << " queries, " << s.tokens_k << " keys" << (s.causal ? ", causal" : ""));
    AttentionArgs a = args_of(s);
    Array v = random_array(type, reach(s, s.tokens_k, a.v_row));
    Array y(type, reach(s, s.tokens_q, a.y_row));
    const auto at = [&](Array& array) {
      return static_cast<std::byte*>(array.data()) + s.offset * size_of(type);
    };
    a.q = at(q), a.k = at(k), a.v = at(v), a.y = at(y);
    KernelBytes workspace(attention_workspace_bytes(a));
    run(y, [&] { attention(nullptr, a, workspace.data()); });
    for (int64_t b = 0; b < s.batch; ++b) {
      for (int h = 0; h < s.heads; ++h) {
        for (int64_t i = 0; i < s.tokens_q; ++i) check_row(s, a, q, k, v, y, b, h, i);
      }
    }
    check_gaps(s, a, y);
  }

  // Elements of y that belong to no head stay as they were.
  void check_gaps(const Sizes& s, const AttentionArgs& a, const Array& y) {
    const size_t bytes = size_t(size_of(type));
    for (int64_t i = 0; i < y.size(); ++i) {
      if (i >= s.offset && (i - s.offset) % a.y_row < s.heads * s.head_dim) continue;
      for (size_t byte = 0; byte < bytes; ++byte) {
        ASSERT_EQ(y.bytes()[size_t(i) * bytes + byte], std::byte{0xff}) << "element " << i;
      }
    }
  }

  // The tolerance is what roundings may add at the most: of the products' sums and of the
  // exponentials (relative in the weights), of the weights to the type, of sums over keys, of y.
  void check_row(const Sizes& s, const AttentionArgs& a, const Array& q, const Array& k,
                 const Array& v, const Array& y, int64_t b, int h, int64_t i) {
    constexpr double kUnit = 0x1p-24, kExponential = 0x1p-18;
    const int d = s.head_dim;
    const int64_t seen = s.causal ? std::min(i + 1, s.tokens_k) : s.tokens_k;
    const auto column = [&](int64_t token, int64_t row, int64_t batch) {
      return size_t(s.offset + batch + token * row + int64_t(h) * d);
    };
    const size_t q_at = column(i, a.q_row, b * a.q_batch);
    std::vector<double> score(size_t(seen), 0), error(size_t(seen), 0);
    double top = -INFINITY;
    for (size_t j = 0; j < score.size(); ++j) {
      const size_t k_at = column(int64_t(j), a.k_row, b * a.k_batch);
      for (size_t c = 0; c < size_t(d); ++c) {
        const double product = double(a.scale) * q[q_at + c] * k[k_at + c];
        score[j] += product;
        error[j] += std::abs(product) * d * kUnit;
      }
      top = std::max(top, score[j]);
    }
    double sum = 0, mean_error = 0;
    for (size_t j = 0; j < score.size(); ++j) {
      error[j] += kExponential + 4 * kUnit * (std::abs(score[j]) + std::abs(top));
      score[j] = std::exp(score[j] - top);
      sum += score[j];
      mean_error += score[j] * error[j];
    }
    mean_error /= sum;
    // Weights below the type's normal numbers lose up to half of its smallest one.
    const double smallest = type == Type::kF16 ? 0x1p-25 : 0;
    const double half_unit = epsilon(type) / 2;
    for (size_t c = 0; c < size_t(d); ++c) {
      double exact = 0, tolerance = smallest;
      for (size_t j = 0; j < score.size(); ++j) {
        const double value = v[column(int64_t(j), a.v_row, b * a.v_batch) + c];
        const double weight = score[j] / sum;
        exact += weight * value;
        tolerance += std::abs(value) * smallest +
                     weight * std::abs(value) *
                         (error[j] + mean_error + half_unit + 2 * kUnit * double(seen));
      }
      tolerance += half_unit * std::abs(exact);
      ASSERT_NEAR(y[column(i, a.y_row, b * a.y_batch) + c], exact, tolerance)
          << "batch " << b << ", head " << h << ", token " << i << ", column " << c;
    }
  }

  Type type = Type::kF32;
};

TEST_P(AttentionKernel, EveryHeadSizeOfTheModels) {
  for (const int d : {40, 64, 80, 128, 160}) {
    check({.tokens_q = 70, .tokens_k = 77, .heads = 2, .head_dim = d});
    check({.tokens_q = 130,
           .tokens_k = 77,
           .heads = 1,
           .head_dim = d,
           .multiprocessors = kFewMultiprocessors});
  }
}

TEST_P(AttentionKernel, TheWidestHead) {
  check({.tokens_q = 65, .tokens_k = 70, .head_dim = 512});
  check({.tokens_q = 33, .tokens_k = 70, .head_dim = 512, .capability = 86});
}

TEST_P(AttentionKernel, SmallHeads) {
  for (const int d : {8, 16, 24, 32, 48, 56, 88}) {
    check({.tokens_q = 20, .tokens_k = 33, .heads = 3, .head_dim = d});
  }
}

TEST_P(AttentionKernel, HeadsThatAreNoMultipleOfEight) {
  for (const int d : {1, 3, 7, 20, 33, 100, 157}) {
    check({.batch = 2, .tokens_q = 5, .tokens_k = 18, .heads = 3, .head_dim = d});
  }
}

TEST_P(AttentionKernel, WideHeadsOfAnySize) {
  for (const int d : {161, 192, 300}) check({.tokens_q = 7, .tokens_k = 66, .head_dim = d});
  check({.tokens_q = 3, .tokens_k = 5, .heads = 2, .head_dim = 511});
}

TEST_P(AttentionKernel, AnyNumberOfTokens) {
  for (const int64_t queries : {1, 63, 64, 65, 77, 200}) {
    for (const int64_t keys : {1, 16, 17, 64, 65, 200}) {
      check({.tokens_q = queries, .tokens_k = keys, .head_dim = 40});
    }
  }
}

TEST_P(AttentionKernel, AnyNumberOfTokensInLargeBlocks) {
  for (const int64_t queries : {1, 127, 129}) {
    for (const int64_t keys : {1, 31, 33, 77, 128, 193}) {
      check({.tokens_q = queries,
             .tokens_k = keys,
             .heads = 2,
             .head_dim = 40,
             .multiprocessors = kFewMultiprocessors});
    }
  }
}

TEST_P(AttentionKernel, CausalMasks) {
  for (const int multiprocessors : {kFewMultiprocessors, 108}) {
    for (const int64_t tokens : {1, 16, 63, 77, 150}) {
      check({.tokens_q = tokens,
             .tokens_k = tokens,
             .head_dim = 64,
             .causal = true,
             .multiprocessors = multiprocessors});
    }
  }
  check({.tokens_q = 90, .tokens_k = 30, .head_dim = 80, .causal = true});
  check({.tokens_q = 30, .tokens_k = 90, .head_dim = 20, .causal = true});
  check({.tokens_q = 70, .tokens_k = 70, .head_dim = 512, .causal = true});
}

TEST_P(AttentionKernel, ScoresWhoseExponentialsOverflow) {
  for (const int d : {40, 64, 512}) {
    check({.tokens_q = 40, .tokens_k = 100, .head_dim = d, .scale = 1}, 4);
  }
}

// Keys grow or shrink along the sequence: the largest score comes last, or first.
TEST_P(AttentionKernel, ScoresThatRiseAndFall) {
  for (const int d : {40, 80, 512}) {
    const Sizes s{.tokens_q = 17, .tokens_k = d < 512 ? 200 : 130, .head_dim = d, .scale = 1};
    for (const bool rise : {false, true}) {
      std::vector<float> q = random(s.tokens_q * d), k = random(s.tokens_k * d);
      for (size_t i = 0; i < k.size(); ++i) {
        const size_t token = i / size_t(d);
        k[i] *= 0.02f * float(rise ? token : size_t(s.tokens_k) - token);
      }
      check(s, Array(type, q), Array(type, k));
    }
  }
}

TEST_P(AttentionKernel, PartsOfLongerRows) {
  for (const int d : {40, 64, 160, 12}) {
    check({.batch = 2, .tokens_q = 66, .tokens_k = 35, .heads = 3, .head_dim = d, .gap = 8});
  }
  check({.batch = 2, .tokens_q = 9, .tokens_k = 70, .head_dim = 512, .gap = 16});
}

TEST_P(AttentionKernel, RowsAndAddressesWithoutAlignment) {
  check({.batch = 2, .tokens_q = 20, .tokens_k = 35, .heads = 2, .head_dim = 40, .gap = 3});
  check({.tokens_q = 20, .tokens_k = 35, .heads = 2, .head_dim = 64, .offset = 1});
  check({.tokens_q = 9, .tokens_k = 20, .head_dim = 512, .offset = 4});
}

TEST_P(AttentionKernel, HeadsAndBatches) {
  for (int heads = 1; heads <= 8; ++heads) {
    check({.batch = 2, .tokens_q = 17, .tokens_k = 20, .heads = heads, .head_dim = 40});
  }
}

TEST_P(AttentionKernel, SplitKeysAreCombined) {
  for (const int d : {40, 64, 160, 20}) {
    const Sizes s{.batch = 2, .tokens_q = 9, .tokens_k = 600, .head_dim = d};
    EXPECT_EQ(attention_workspace_bytes(args_of(s)) > 0, type != Type::kF32);
    check(s);
  }
}

TEST_P(AttentionKernel, SplitKeysOfTheWidestHeadAreCombined) {
  check({.tokens_q = 9, .tokens_k = 450, .head_dim = 512});
}

// Most splits hold nothing that a row sees.
TEST_P(AttentionKernel, SplitKeysUnderACausalMask) {
  check({.tokens_q = 40, .tokens_k = 1100, .heads = 2, .head_dim = 64, .causal = true});
  check({.tokens_q = 280, .tokens_k = 530, .head_dim = 40, .causal = true});
}

TEST_P(AttentionKernel, AHeadAboveTheLargestIsRefused) {
  EXPECT_THROW(attention(nullptr, args_of({.head_dim = 520}), nullptr), std::runtime_error);
}

DEDIT_KERNEL_TEST(AttentionKernel);

template <int kPieces>
void check_swizzle() {
  std::set<int> places;
  for (int row = 0; row < 64; ++row) {
    for (int piece = 0; piece < kPieces; ++piece) {
      const int place = flash::swizzled<kPieces>(row, piece);
      EXPECT_EQ(place / kPieces, row);
      const int from = flash::swizzled<kPieces>(row, piece % 2);
      EXPECT_EQ(flash::moved<kPieces>(from, piece / 2 * 2), place);
      places.insert(place);
    }
  }
  EXPECT_EQ(places.size(), size_t(64 * kPieces)) << kPieces;
  for (int row = 0; row < 64; row += 8) {
    for (int piece = 0; piece < kPieces; ++piece) {
      std::set<int> banks;
      for (int i = 0; i < 8; ++i) banks.insert(flash::swizzled<kPieces>(row + i, piece) % 8);
      EXPECT_EQ(banks.size(), 8u) << kPieces << " pieces, row " << row << ", piece " << piece;
    }
  }
}

TEST(AttentionMap, EightRowsOfAPieceLieInDifferentBanks) {
  check_swizzle<4>();
  check_swizzle<5>();
  check_swizzle<8>();
  check_swizzle<10>();
  check_swizzle<16>();
  check_swizzle<20>();
  check_swizzle<64>();
}

flash::Plan plan_of(int heads, int d, int64_t queries, int64_t keys, int multiprocessors,
                    int capability) {
  AttentionArgs a;
  a.type = Type::kBF16;
  a.batch = d == 512 ? 1 : 2, a.heads = heads, a.head_dim = d;
  a.tokens_q = queries, a.tokens_k = keys;
  a.q_row = a.k_row = a.v_row = a.y_row = int64_t(heads) * d;
  a.multiprocessors = multiprocessors, a.capability = capability;
  return flash::make_plan(a);
}

TEST(AttentionMap, PlansOfTheModelsLayersOnAnH100) {
  const auto rows_and_splits = [](int heads, int d, int64_t queries, int64_t keys) {
    const flash::Plan plan = plan_of(heads, d, queries, keys, 132, 90);
    EXPECT_EQ(plan.dims, d);
    EXPECT_TRUE(plan.exact);
    return std::pair(plan.rows, plan.splits);
  };
  EXPECT_EQ(rows_and_splits(8, 40, 4096, 4096), std::pair(128, 1));
  EXPECT_EQ(rows_and_splits(8, 40, 4096, 77), std::pair(128, 1));
  EXPECT_EQ(rows_and_splits(8, 80, 1024, 1024), std::pair(128, 1));
  EXPECT_EQ(rows_and_splits(8, 160, 256, 256), std::pair(32, 1));
  EXPECT_EQ(rows_and_splits(8, 160, 64, 64), std::pair(32, 1));
  EXPECT_EQ(rows_and_splits(20, 64, 1024, 1024), std::pair(128, 1));
  EXPECT_EQ(rows_and_splits(12, 64, 77, 77), std::pair(64, 1));
  EXPECT_EQ(rows_and_splits(1, 512, 4096, 4096), std::pair(64, 2));
  EXPECT_EQ(rows_and_splits(1, 512, 16384, 16384), std::pair(64, 1));
}

TEST(AttentionMap, AHeadOf512TakesLessMemoryWhereABlockMayHaveLess) {
  EXPECT_EQ(plan_of(1, 512, 4096, 4096, 108, 80).rows, 64);
  EXPECT_EQ(plan_of(1, 512, 4096, 4096, 128, 89).rows, 32);
}

TEST(AttentionMap, SplitsCoverAllKeys) {
  for (const int64_t keys : {1, 64, 65, 255, 256, 511, 512, 1000, 5000, 100000}) {
    for (const int multiprocessors : {1, 16, 108, 132}) {
      const flash::Plan plan = plan_of(1, 64, 64, keys, multiprocessors, 80);
      const int64_t split = int64_t(plan.split_tiles) * flash::kTileKeys;
      EXPECT_GE(plan.splits * split, keys);
      EXPECT_LT((plan.splits - 1) * split, keys);
      EXPECT_LE(plan.splits, flash::kMaxSplits);
    }
  }
}

TEST(AttentionMap, ACausalTokenSeesItselfAndWhatCameBefore) {
  EXPECT_EQ(flash::seen_keys(0, 77, true), 1);
  EXPECT_EQ(flash::seen_keys(76, 77, true), 77);
  EXPECT_EQ(flash::seen_keys(100, 77, true), 77);
  EXPECT_EQ(flash::seen_keys(0, 77, false), 77);
}

TEST(AttentionExponential, PolynomialIsWithinItsStatedError) {
  double largest = 0;
  for (float x = -124; x < 20; x += 0x1.3p-9f) {
    const double exact = std::exp2(double(x));
    largest = std::max(largest, std::abs(flash::polynomial_exp2(x) / exact - 1));
  }
  EXPECT_LT(largest, 2.9e-6);  // and the roundings of five steps in f32
  EXPECT_EQ(flash::polynomial_exp2(0), 0.9999992847442627f);
}

TEST(AttentionExponential, PolynomialOfWhatIsFarBelowIsNextToNothing) {
  for (const float x : {-126.0f, -1000.0f, -1e30f, -INFINITY}) {
    EXPECT_GE(flash::polynomial_exp2(x), 0);
    EXPECT_LT(flash::polynomial_exp2(x), 0x1p-124f);
  }
}

}  // namespace
}  // namespace dedit::cuda

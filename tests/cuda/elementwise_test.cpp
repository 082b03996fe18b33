// Element-wise kernels, in the emulator.
#include "cuda/elementwise.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "cuda/math.h"
#include "kernel_test.h"

namespace dedit::cuda {
namespace {

constexpr Type kTypes[] = {Type::kF32, Type::kBF16, Type::kF16};
// 1, primes, one element around a thread's share and around a block's.
constexpr int64_t kLengths[] = {1, 2, 7, 8, 9, 997, 1023, 1025};

class ElementwiseKernel : public KernelTest {
 protected:
  /// What a result may differ by: the rounding of the type, and a few of f32 before it.
  double tolerance(double exact, double f32_roundings = 8) const {
    return std::abs(exact) * (epsilon(GetParam()) / 2 + f32_roundings * 0x1p-24) + smallest();
  }
  /// Half of a denormal's last place.
  double smallest() const { return GetParam() == Type::kF16 ? 0x1p-25 : 0; }
};

double exact_activation(Activation kind, double x) {
  switch (kind) {
    case Activation::kNone:
      return x;
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGelu:
      return x / 2 * std::erfc(-x / std::sqrt(2.0));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
  }
  return 0;
}

TEST_P(ElementwiseKernel, ActivationsOfAnyLength) {
  for (const auto kind :
       {Activation::kNone, Activation::kSilu, Activation::kGelu, Activation::kQuickGelu}) {
    for (const int64_t n : kLengths) {
      Array x = random_array(GetParam(), n, 0, 3), y(GetParam(), n);
      run(y, [&] { activation(nullptr, x.data(), kind, y.data(), GetParam(), n); });
      for (size_t i = 0; i < size_t(n); ++i) {
        const double exact = exact_activation(kind, x[i]);
        // 1 + erf and 1 + exp lose digits where they are far from 1: errors are relative to x.
        EXPECT_NEAR(y[i], exact, tolerance(exact) + std::abs(x[i]) * 0x1p-23) << i << " of " << n;
      }
    }
  }
}

TEST_P(ElementwiseKernel, ActivationInPlace) {
  Array x = random_array(GetParam(), 1025), y(GetParam(), 1025);
  activation(nullptr, x.data(), Activation::kSilu, y.data(), GetParam(), 1025);
  run(x, [&] { activation(nullptr, x.data(), Activation::kSilu, x.data(), GetParam(), 1025); });
  EXPECT_TRUE(x.bytes() == y.bytes());
}

TEST_P(ElementwiseKernel, ActivationsAtTheEndsOfTheRange) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const auto kind : {Activation::kSilu, Activation::kGelu, Activation::kQuickGelu}) {
    Array x(GetParam(), {-120, -60, -0.0f, 0, 60, 120, inf, std::nanf("")}), y(GetParam(), 8);
    run(y, [&] { activation(nullptr, x.data(), kind, y.data(), GetParam(), 8); });
    for (const size_t i : {0, 1, 2, 3}) EXPECT_NEAR(y[i], 0, 1e-20);
    EXPECT_EQ(y[4], 60);
    EXPECT_EQ(y[5], 120);
    EXPECT_EQ(y[6], inf);
    EXPECT_TRUE(std::isnan(y[7]));
  }
}

TEST_P(ElementwiseKernel, ConversionsRoundOnce) {
  for (const Type to : kTypes) {
    for (const int64_t n : kLengths) {
      Array x = random_array(GetParam(), n, 0, 100), y(to, n);
      run(y, [&] { convert(nullptr, x.data(), GetParam(), y.data(), to, n); });
      for (size_t i = 0; i < size_t(n); ++i) {
        const Array expected(to, std::vector<float>{x[i]});
        EXPECT_EQ(y[i], expected[0]) << name_of(to) << " " << i << " of " << n;
      }
    }
  }
}

TEST_P(ElementwiseKernel, ConversionsOfWhatATypeCannotHold) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values{65504,       65520,         -1e6f,        inf,
                                  0x1p-24f,    0x1p-25f,      0x1.8p-25f,   -0.0f,
                                  1 + 0x1p-8f, 1 + 0x1.8p-7f, std::nanf("")};
  Array x(Type::kF32, values), y(GetParam(), x.size());
  run(y, [&] { convert(nullptr, x.data(), Type::kF32, y.data(), GetParam(), x.size()); });
  const Array expected(GetParam(), values);
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    EXPECT_EQ(y[i], expected[i]) << values[i];
    EXPECT_EQ(std::signbit(y[i]), std::signbit(expected[i])) << values[i];
  }
  EXPECT_TRUE(std::isnan(y[values.size() - 1]));
}

TEST_P(ElementwiseKernel, GegluOfAnyWidth) {
  for (const int64_t n : {1, 7, 16, 40, 136}) {
    for (const int64_t rows : {1, 13}) {
      Array x = random_array(GetParam(), rows * 2 * n, 0, 2), y(GetParam(), rows * n);
      run(y, [&] { geglu(nullptr, x.data(), y.data(), GetParam(), rows, n); });
      for (int64_t i = 0; i < rows * n; ++i) {
        const size_t at = size_t(i / n * 2 * n + i % n);
        const double gate = x[at + size_t(n)], value = x[at];
        const double exact = value * exact_activation(Activation::kGelu, gate);
        EXPECT_NEAR(y[size_t(i)], exact, tolerance(exact) + std::abs(value * gate) * 0x1p-23);
      }
    }
  }
}

// Terms of all types, and how large their sum's roundings may be.
struct Terms {
  std::vector<Array> arrays;
  LincombArgs args;

  double exact(size_t i) const {
    return sum(i, [](double v) { return v; });
  }
  double magnitude(size_t i) const {
    return sum(i, [](double v) { return std::abs(v); });
  }

 private:
  double sum(size_t i, double (*of)(double)) const {
    double s = 0;
    for (int t = 0; t < args.n_terms; ++t) {
      s += of(double(args.terms[t].a) * double(arrays[size_t(t)][i]));
    }
    return s;
  }
};

TEST_P(ElementwiseKernel, LincombOfUpToEightTermsOfAnyType) {
  for (int terms = 1; terms <= kMaxTerms; ++terms) {
    for (const int64_t n : {1, 9, 1025}) {
      Terms t;
      for (int i = 0; i < terms; ++i) t.arrays.push_back(random_array(kTypes[i % 3], n));
      for (int i = 0; i < terms; ++i) {
        t.args.terms[i] = {1.5f - float(i), t.arrays[size_t(i)].data(), kTypes[i % 3]};
      }
      Array y(GetParam(), n);
      t.args.n_terms = terms;
      t.args.y = y.data();
      t.args.type = GetParam();
      t.args.n = n;
      run(y, [&] { lincomb(nullptr, t.args); });
      for (size_t i = 0; i < size_t(n); ++i) {
        EXPECT_NEAR(y[i], t.exact(i), tolerance(t.exact(i)) + t.magnitude(i) * terms * 0x1p-24);
      }
    }
  }
}

TEST_P(ElementwiseKernel, LincombIntoATermThatComesTwice) {
  Array x = random_array(GetParam(), 1025), other = random_array(GetParam(), 1025), y = x;
  LincombArgs args;
  args.terms[0] = {2, y.data(), GetParam()};
  args.terms[1] = {-0.5f, other.data(), GetParam()};
  args.terms[2] = {1, y.data(), GetParam()};
  args.n_terms = 3;
  args.y = y.data();
  args.type = GetParam();
  args.n = 1025;
  run(y, [&] { lincomb(nullptr, args); });
  for (size_t i = 0; i < 1025; ++i) {
    const double exact = 3.0 * double(x[i]) - 0.5 * double(other[i]);
    const double magnitude = 3 * std::abs(double(x[i])) + 0.5 * std::abs(double(other[i]));
    EXPECT_NEAR(y[i], exact, tolerance(exact) + magnitude * 3 * 0x1p-24);
  }
}

// As the contract says it, element by element.
double exact_blend(const BlendArgs& args, const Array& mask, const Array& a, const Array& b,
                   size_t i) {
  const double m = mask[i / size_t(args.channels) % size_t(args.pixels)];
  return m == 1 ? double(a[i]) : m == 0 ? double(b[i]) : m * double(a[i]) + (1 - m) * double(b[i]);
}

TEST_P(ElementwiseKernel, BlendIsExactWhereTheMaskIsOneOrZero) {
  for (const int64_t channels : {1, 3, 4, 8, 20}) {
    for (const int64_t pixels : {1, 37, 130}) {
      const int64_t n = 2 * pixels * channels;
      Array mask = random_array(Type::kF32, pixels, 0.5f, 0.3f);
      for (size_t i = 0; i < size_t(pixels); i += 2) mask.set(i, i % 4 == 0 ? 1 : 0);
      Array a = random_array(GetParam(), n), b = random_array(GetParam(), n), y(GetParam(), n);
      // Infinite where it must not be read.
      for (size_t i = 0; i < size_t(n); ++i) {
        const float m = mask[i / size_t(channels) % size_t(pixels)];
        if (m == 0) a.set(i, std::numeric_limits<float>::infinity());
        if (m == 1) b.set(i, std::numeric_limits<float>::infinity());
      }
      const BlendArgs args{static_cast<const float*>(mask.data()),
                           a.data(),
                           b.data(),
                           y.data(),
                           GetParam(),
                           2,
                           pixels,
                           channels};
      run(y, [&] { blend(nullptr, args); });
      for (size_t i = 0; i < size_t(n); ++i) {
        const double exact = exact_blend(args, mask, a, b, i);
        const float m = mask[i / size_t(channels) % size_t(pixels)];
        if (m == 0 || m == 1) {
          EXPECT_EQ(y[i], exact);
        } else {
          const double magnitude = std::abs(m * a[i]) + std::abs((1 - m) * b[i]);
          EXPECT_NEAR(y[i], exact, tolerance(exact) + magnitude * 0x1p-22);
        }
      }
    }
  }
}

TEST_P(ElementwiseKernel, BlendIntoEitherSide) {
  const int64_t pixels = 37, channels = 4, n = pixels * channels;
  Array mask = random_array(Type::kF32, pixels, 0.5f, 0.3f);
  const Array a = random_array(GetParam(), n), b = random_array(GetParam(), n);
  for (const bool into_a : {true, false}) {
    Array y = into_a ? a : b, other = into_a ? b : a;
    BlendArgs args{static_cast<const float*>(mask.data()),
                   y.data(),
                   other.data(),
                   y.data(),
                   GetParam(),
                   1,
                   pixels,
                   channels};
    if (!into_a) std::swap(args.a, args.b);
    run(y, [&] { blend(nullptr, args); });
    for (size_t i = 0; i < size_t(n); ++i) {
      const double exact = exact_blend(args, mask, a, b, i);
      EXPECT_NEAR(y[i], exact, tolerance(exact) + (std::abs(a[i]) + std::abs(b[i])) * 0x1p-22);
    }
  }
}

TEST_P(ElementwiseKernel, UpsampleTakesTheNearestPixelAbove) {
  const struct {
    int64_t batch, in_height, in_width, out_height, out_width, channels;
  } cases[] = {{1, 1, 1, 1, 1, 1}, {2, 3, 5, 6, 10, 16}, {1, 3, 5, 7, 11, 3},
               {2, 4, 4, 3, 9, 8}, {1, 2, 3, 5, 67, 20}, {3, 5, 2, 5, 2, 4}};
  for (const auto& c : cases) {
    Array x = random_array(GetParam(), c.batch * c.in_height * c.in_width * c.channels);
    Array y(GetParam(), c.batch * c.out_height * c.out_width * c.channels);
    const ResizeArgs args{x.data(),   y.data(),     GetParam(),  c.batch,   c.in_height,
                          c.in_width, c.out_height, c.out_width, c.channels};
    run(y, [&] { upsample_nearest(nullptr, args); });
    size_t at = 0;
    for (int64_t b = 0; b < c.batch; ++b) {
      for (int64_t row = 0; row < c.out_height; ++row) {
        for (int64_t column = 0; column < c.out_width; ++column) {
          const int64_t from = (b * c.in_height + row * c.in_height / c.out_height) * c.in_width +
                               column * c.in_width / c.out_width;
          for (int64_t k = 0; k < c.channels; ++k, ++at) {
            ASSERT_EQ(y[at], x[size_t(from * c.channels + k)]) << row << " " << column << " " << k;
          }
        }
      }
    }
  }
}

TEST_P(ElementwiseKernel, ConcatOfRowsOfAnyWidth) {
  const std::pair<int64_t, int64_t> widths[] = {{1, 1}, {8, 16}, {4, 5}, {320, 8}};
  for (const auto& [na, nb] : widths) {
    const int64_t rows = 13, n = na + nb;
    Array a = random_array(GetParam(), rows * na), b = random_array(GetParam(), rows * nb);
    Array y(GetParam(), rows * n);
    run(y, [&] { concat(nullptr, a.data(), na, b.data(), nb, y.data(), GetParam(), rows); });
    for (int64_t i = 0; i < rows * n; ++i) {
      const int64_t row = i / n, column = i % n;
      const float expected =
          column < na ? a[size_t(row * na + column)] : b[size_t(row * nb + column - na)];
      ASSERT_EQ(y[size_t(i)], expected) << row << " " << column;
    }
  }
}

TEST_P(ElementwiseKernel, EmbedAddsPositionsToRowsOfTheTable) {
  const int64_t batch = 3, tokens = 5, rows = 11;
  for (const int64_t n : {1, 7, 8, 100}) {
    Array table = random_array(Type::kF32, rows * n);
    Array positions = random_array(Type::kF32, tokens * n);
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < batch * tokens; ++i) ids.push_back(int32_t(i * 7 % rows));
    KernelBytes device_ids(ids);
    Array y(GetParam(), batch * tokens * n);
    run(y, [&] {
      embed(nullptr, device_ids.data<int32_t>(), static_cast<const float*>(table.data()),
            static_cast<const float*>(positions.data()), y.data(), GetParam(), batch, tokens, n);
    });
    for (int64_t i = 0; i < batch * tokens * n; ++i) {
      const int64_t token = i / n;
      const float sum = table[size_t(ids[size_t(token)] * n + i % n)] +
                        positions[size_t(token % tokens * n + i % n)];
      ASSERT_EQ(y[size_t(i)], Array(GetParam(), std::vector<float>{sum})[0]);
    }
  }
}

DEDIT_KERNEL_TEST(ElementwiseKernel);

TEST(FastSilu, IsWithinAFewUnitsOfTheExactOne) {
  for (float x = -80; x < 80; x += 0.37f) {
    const double exact = exact_activation(Activation::kSilu, x);
    EXPECT_NEAR(fast_silu(x), exact, std::abs(exact) * 8 * 0x1p-23) << x;
  }
}

}  // namespace
}  // namespace dedit::cuda

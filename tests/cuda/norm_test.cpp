// Group norm and layer norm, in the emulator.
#include "cuda/norm.h"

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cuda/group_norm_plan.h"
#include "kernel_test.h"

namespace dedit::cuda {
namespace {

struct GroupShape {
  int64_t batch, pixels, channels, channels2;
  int groups;
};

std::string describe(const GroupShape& s) {
  return std::to_string(s.batch) + " " + std::to_string(s.pixels) + " " +
         std::to_string(s.channels) + "+" + std::to_string(s.channels2) + " / " +
         std::to_string(s.groups);
}

GroupNormArgs args_of(const GroupShape& s, Type type) {
  GroupNormArgs args;
  args.type = type;
  args.batch = s.batch;
  args.pixels = s.pixels;
  args.channels = s.channels;
  args.channels2 = s.channels2;
  args.groups = s.groups;
  return args;
}

class NormKernel : public KernelTest {
 protected:
  /// Of value = z gamma + beta behind an activation, where z = (x - mean) / deviation. The relative
  /// error of the variance is at most a unit for each of the `additions` behind each other, twice
  /// (sum and sum of squares) and once more for what cancels; half of it is z's. The mean is
  /// rounded like x itself. No activation is steeper than 1.2.
  double tolerance(double value, double z, double gamma, double beta, double mean_over_deviation,
                   double additions) const {
    const double roundings =
        std::abs(z * gamma) * (2 * additions + 8) + std::abs(mean_over_deviation * gamma) * 3;
    return 1.2 * 0x1p-24 * (roundings + 2 * std::abs(beta)) +
           std::abs(value) * (epsilon(GetParam()) / 2 + 8 * 0x1p-24) +
           (GetParam() == Type::kF16 ? 0x1p-25 : 0);
  }
};

struct Statistics {
  double mean = 0, deviation = 0;  ///< with epsilon under the root
};

Statistics statistics_of(const std::vector<double>& values, double eps) {
  Statistics s;
  for (const double v : values) s.mean += v / double(values.size());
  double variance = 0;
  for (const double v : values) variance += (v - s.mean) * (v - s.mean) / double(values.size());
  s.deviation = std::sqrt(variance + eps);
  return s;
}

double silu(double x) {
  return x / (1 + std::exp(-x));
}

class GroupNormKernel : public NormKernel {
 protected:
  void check(const GroupShape& shape, float mean, float deviation, Activation act) {
    SCOPED_TRACE(describe(shape));
    const int64_t channels = shape.channels + shape.channels2, pixels = shape.batch * shape.pixels;
    Array x = random_array(GetParam(), pixels * shape.channels, mean, deviation);
    Array x2 = random_array(GetParam(), pixels * shape.channels2, mean, deviation);
    const Array gamma = random_array(Type::kF32, channels, 1, 0.5f);
    const Array beta = random_array(Type::kF32, channels);
    Array y(GetParam(), pixels * channels);
    normalise(shape, act, x, x2, gamma, beta, y);
    expect_norm(shape, act, x, x2, gamma, beta, y);
  }

  void normalise(const GroupShape& shape, Activation act, const Array& x, const Array& x2,
                 Array gamma, Array beta, Array& y) {
    Array from = x, from2 = x2;
    GroupNormArgs args = args_of(shape, GetParam());
    args.x = from.data();
    args.x2 = shape.channels2 > 0 ? from2.data() : nullptr;
    args.y = y.data();
    args.gamma = static_cast<const float*>(gamma.data());
    args.beta = static_cast<const float*>(beta.data());
    args.activation = act;
    KernelBytes workspace(group_norm_workspace_bytes(args));
    run(y, [&] { group_norm(nullptr, args, workspace.data()); });
  }

  void expect_norm(const GroupShape& shape, Activation act, const Array& x, const Array& x2,
                   const Array& gamma, const Array& beta, const Array& y) {
    const int64_t channels = shape.channels + shape.channels2, width = channels / shape.groups;
    const auto input = [&](int64_t pixel, int64_t c) -> double {
      return c < shape.channels ? x[size_t(pixel * shape.channels + c)]
                                : x2[size_t(pixel * shape.channels2 + c - shape.channels)];
    };
    const GroupNormPlan plan = group_norm_plan(args_of(shape, GetParam()));
    const double additions = double(plan.slab_pixels) / plan.rows + plan.rows +
                             double(width) / plan.group_team + plan.slabs + 12;
    for (int64_t group = 0; group < shape.batch * shape.groups; ++group) {
      const int64_t first = group / shape.groups * shape.pixels, c0 = group % shape.groups * width;
      std::vector<double> values;
      for (int64_t i = 0; i < shape.pixels * width; ++i) {
        values.push_back(input(first + i / width, c0 + i % width));
      }
      const Statistics s = statistics_of(values, 1e-5);
      for (int64_t i = 0; i < shape.pixels * width; ++i) {
        const auto c = size_t(c0 + i % width);
        const double z = (values[size_t(i)] - s.mean) / s.deviation;
        const double normed = z * gamma[c] + beta[c];
        const double exact = act == Activation::kSilu ? silu(normed) : normed;
        ASSERT_NEAR(y[size_t((first + i / width) * channels) + c], exact,
                    tolerance(exact, z, gamma[c], beta[c], s.mean / s.deviation, additions))
            << "pixel " << first + i / width << " channel " << c;
      }
    }
  }
};

constexpr GroupShape kOneLaunch[] = {
    {1, 1, 1, 0, 1},   {1, 1, 32, 0, 32},     {2, 64, 320, 0, 32},
    {1, 49, 60, 0, 4}, {2, 17, 128, 0, 32},   {1, 256, 96, 0, 3},
    {1, 13, 7, 0, 7},  {1, 64, 640, 320, 32}, {2, 9, 30, 10, 4},
};
constexpr GroupShape kTwoLaunches[] = {
    {2, 900, 40, 0, 4}, {1, 5003, 16, 0, 2}, {1, 907, 24, 16, 4},
    {2, 5, 4112, 0, 1}, {1, 450, 30, 0, 3},  {1, 450, 7, 23, 2},
};

TEST_P(GroupNormKernel, GroupsThatABlockHolds) {
  for (const auto& shape : kOneLaunch) {
    EXPECT_TRUE(group_norm_plan(args_of(shape, GetParam())).one_launch);
    EXPECT_EQ(group_norm_workspace_bytes(args_of(shape, GetParam())), 0);
    check(shape, 0.5f, 2, Activation::kNone);
  }
}

TEST_P(GroupNormKernel, GroupsInSlabs) {
  for (const auto& shape : kTwoLaunches) {
    EXPECT_FALSE(group_norm_plan(args_of(shape, GetParam())).one_launch);
    check(shape, 0.5f, 2, Activation::kNone);
  }
}

TEST_P(GroupNormKernel, Silu) {
  check({2, 64, 320, 0, 32}, 0, 1, Activation::kSilu);
  check({2, 900, 40, 0, 4}, 0, 1, Activation::kSilu);
}

// In plain f32 E[x^2] - E[x]^2 has no digit left here.
TEST_P(GroupNormKernel, MeanFarFromZero) {
  check({2, 64, 320, 0, 32}, 100, 0.1f, Activation::kNone);
  check({2, 900, 40, 0, 4}, 100, 0.1f, Activation::kNone);
  check({1, 5003, 16, 0, 2}, -3000, 1, Activation::kNone);
}

// The first pixel is what distances are taken from: it may be anything.
TEST_P(GroupNormKernel, FirstPixelFarFromTheOthers) {
  for (const GroupShape& shape : {GroupShape{1, 64, 40, 0, 4}, GroupShape{1, 900, 40, 0, 4}}) {
    Array x = random_array(GetParam(), shape.pixels * 40, 10, 0.5f), y = x;
    for (size_t c = 0; c < 40; ++c) x.set(c, c % 2 == 0 ? 200 : -50);
    const Array gamma = random_array(Type::kF32, 40), beta = random_array(Type::kF32, 40);
    normalise(shape, Activation::kNone, x, x, gamma, beta, y);
    expect_norm(shape, Activation::kNone, x, x, gamma, beta, y);
  }
}

TEST_P(GroupNormKernel, ConstantInputGivesBeta) {
  for (const GroupShape& shape : {GroupShape{1, 64, 40, 0, 4}, GroupShape{1, 900, 40, 0, 4}}) {
    const Array x(GetParam(), std::vector<float>(size_t(shape.pixels) * 40, 37));
    const Array gamma = random_array(Type::kF32, 40), beta = random_array(Type::kF32, 40);
    Array y = x;
    normalise(shape, Activation::kNone, x, x, gamma, beta, y);
    for (size_t i = 0; i < size_t(y.size()); ++i) {
      ASSERT_EQ(y[i], Array(GetParam(), std::vector<float>{beta[i % 40]})[0]);
    }
  }
}

TEST_P(GroupNormKernel, InPlace) {
  for (const GroupShape& shape : {GroupShape{2, 64, 40, 0, 4}, GroupShape{2, 900, 40, 0, 4}}) {
    const Array x = random_array(GetParam(), shape.batch * shape.pixels * 40);
    Array gamma = random_array(Type::kF32, 40), beta = random_array(Type::kF32, 40), y = x;
    GroupNormArgs args = args_of(shape, GetParam());
    args.x = args.y = y.data();
    args.gamma = static_cast<const float*>(gamma.data());
    args.beta = static_cast<const float*>(beta.data());
    KernelBytes workspace(group_norm_workspace_bytes(args));
    run(y, [&] { group_norm(nullptr, args, workspace.data()); });
    expect_norm(shape, Activation::kNone, x, x, gamma, beta, y);
  }
}

class LayerNormKernel : public NormKernel {
 protected:
  void check(int64_t rows, int64_t n, float mean, float deviation, bool in_place = false) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(n));
    const Array x = random_array(GetParam(), rows * n, mean, deviation);
    Array gamma = random_array(Type::kF32, n, 1, 0.5f), beta = random_array(Type::kF32, n);
    Array from = x, y = in_place ? x : Array(GetParam(), rows * n);
    const LayerNormArgs args{in_place ? y.data() : from.data(),
                             y.data(),
                             GetParam(),
                             rows,
                             n,
                             1e-5f,
                             static_cast<const float*>(gamma.data()),
                             static_cast<const float*>(beta.data())};
    run(y, [&] { layer_norm(nullptr, args); });
    const double additions = double(n) / 32 + 5;
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<double> values;
      for (int64_t i = 0; i < n; ++i) values.push_back(x[size_t(row * n + i)]);
      const Statistics s = statistics_of(values, 1e-5);
      for (int64_t i = 0; i < n; ++i) {
        const auto c = size_t(i);
        const double z = (values[c] - s.mean) / s.deviation, exact = z * gamma[c] + beta[c];
        ASSERT_NEAR(
            y[size_t(row * n + i)], exact,
            tolerance(exact, z, gamma[c], beta[c], additions * s.mean / s.deviation, additions))
            << "row " << row << " column " << i;
      }
    }
  }
};

TEST_P(LayerNormKernel, RowsOfEveryLength) {
  // One element, primes, every number of loads a lane keeps, and rows that no warp keeps.
  for (const int64_t n : {1, 7, 97, 320, 768, 1280, 2560, 3072, 3080, 6000, 3079})
    check(5, n, 0, 1);
}

TEST_P(LayerNormKernel, MoreRowsThanABlock) {
  for (const int64_t rows : {1, 4, 9}) check(rows, 64, 0.3f, 2);
}

TEST_P(LayerNormKernel, MeanFarFromZero) {
  for (const int64_t n : {320, 768, 3079}) check(3, n, 100, 0.1f);
}

TEST_P(LayerNormKernel, InPlace) {
  for (const int64_t n : {320, 3079}) check(3, n, 0, 1, true);
}

// The plan, which is plain arithmetic.

// How often blocks and threads take each channel of each pixel.
std::vector<int> visits(const GroupNormPlan& plan, const GroupNormArgs& args) {
  const int64_t channels = args.channels + args.channels2;
  std::vector<int> count(size_t(args.batch * args.pixels * channels));
  for (int64_t block = 0; block < plan.blocks(args.batch); ++block) {
    const GroupNormPlace place = group_norm_place(plan, args.pixels, unsigned(block));
    for (int pixel = place.first; pixel < place.end; ++pixel) {
      for (int c = place.channel; c < place.channel + plan.channels; ++c) {
        ++count[size_t((place.image * args.pixels + pixel) * channels + c)];
      }
    }
  }
  return count;
}

TEST(GroupNormPlan, BlocksTakeEveryElementOnce) {
  for (const Type type : {Type::kF32, Type::kBF16}) {
    for (const auto& shapes : {std::span<const GroupShape>(kOneLaunch), {kTwoLaunches}}) {
      for (const GroupShape& shape : shapes) {
        const GroupNormArgs args = args_of(shape, type);
        for (const int n : visits(group_norm_plan(args), args)) {
          ASSERT_EQ(n, 1) << describe(shape);
        }
      }
    }
  }
}

TEST(GroupNormPlan, GroupsAndLoadsAreNotCut) {
  for (const int64_t channels : {32, 96, 320, 640, 960, 1280, 1920, 2560}) {
    for (const int64_t pixels : {16, 64, 256, 1024, 4096}) {
      const auto plan = group_norm_plan(args_of({2, pixels, channels, 0, 32}, Type::kBF16));
      EXPECT_EQ(plan.channels % plan.group_channels, 0);
      EXPECT_EQ(plan.channels % plan.width, 0);
      EXPECT_EQ(plan.parts * plan.channels, channels);
      EXPECT_EQ(plan.threads % 32, 0);
      EXPECT_LE(plan.threads, GroupNormPlan::kThreads);
      EXPECT_GE(plan.rows, 1);
      EXPECT_LE(plan.sums() * 4, 32 << 10);  // so that two blocks share a multiprocessor
      EXPECT_TRUE(!plan.one_launch || plan.rows * GroupNormPlan::kKept >= pixels);
    }
  }
}

TEST(GroupNormPlan, LargeTensorsBusyEveryMultiprocessor) {
  const auto blocks = [](const GroupShape& shape) {
    const auto plan = group_norm_plan(args_of(shape, Type::kBF16));
    return std::pair(plan.one_launch, plan.blocks(shape.batch));
  };
  EXPECT_EQ(blocks({2, 64 * 64, 320, 0, 32}), std::pair(false, int64_t{228}));
  EXPECT_EQ(blocks({2, 64 * 64, 640, 320, 32}), std::pair(false, int64_t{256}));
  EXPECT_EQ(blocks({2, 8 * 8, 2560, 0, 32}), std::pair(true, int64_t{64}));
  EXPECT_EQ(blocks({2, 16 * 16, 1280, 640, 32}), std::pair(true, int64_t{32}));
  EXPECT_EQ(blocks({1, 512 * 512, 128, 0, 32}), std::pair(false, int64_t{256}));
}

DEDIT_KERNEL_TEST(GroupNormKernel);
DEDIT_KERNEL_TEST(LayerNormKernel);

}  // namespace
}  // namespace dedit::cuda

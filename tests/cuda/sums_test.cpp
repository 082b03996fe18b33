// Sums over whole tensors, in the emulator.
#include "cuda/sums.h"

#include "kernel_test.h"

namespace dedit::cuda {
namespace {

class SumsKernel : public KernelTest {
 protected:
  double sum_of_squares_of(Array& x) {
    const int64_t n = x.size();
    KernelBytes workspace(sum_of_squares_workspace_bytes(n));
    // A double as two f32, so that run() can compare its bytes.
    Array y(Type::kF32, 2);
    run(y, [&] {
      sum_of_squares(nullptr, x.data(), GetParam(), n, static_cast<double*>(y.data()),
                     workspace.data());
    });
    double sum = 0;
    std::memcpy(&sum, y.bytes().data(), sizeof sum);
    return sum;
  }
};

TEST_P(SumsKernel, SumOfSquaresOfAnyLength) {
  for (const int64_t n : {1, 3, 8, 11, 997, 2048, 2049, 70001}) {
    Array x = random_array(GetParam(), n, 1, 3);
    double exact = 0;
    for (size_t i = 0; i < size_t(n); ++i) exact += double(x[i]) * double(x[i]);
    EXPECT_NEAR(sum_of_squares_of(x), exact, exact * double(n) * 0x1p-53) << n;
  }
}

TEST_P(SumsKernel, SquaresThatF32CannotHold) {
  const float large = GetParam() == Type::kF16 ? 0x1p15f : 0x1p100f;
  Array x(GetParam(), std::vector<float>(1000, large));
  EXPECT_EQ(sum_of_squares_of(x), 1000 * double(large) * double(large));
}

DEDIT_KERNEL_TEST(SumsKernel);

}  // namespace
}  // namespace dedit::cuda

// Element-wise kernels, in the emulator.
#include "cuda/elementwise.h"

#include <cmath>

#include "kernel_test.h"

namespace dedit::cuda {
namespace {

class ElementwiseKernel : public KernelTest {};

TEST_P(ElementwiseKernel, SiluOfAnyLength) {
  for (const int64_t n : {1, 7, 8, 1000, 4099}) {
    Array x = random_array(GetParam(), n, 0, 3), y(GetParam(), n);
    run(y, [&] { activation(nullptr, x.data(), Activation::kSilu, y.data(), GetParam(), n); });
    for (size_t i = 0; i < size_t(n); ++i) {
      const double exact = x[i] / (1 + std::exp(-double(x[i])));
      EXPECT_NEAR(y[i], exact, std::abs(exact) * (epsilon(GetParam()) + 0x1p-20))
          << i << " of " << n;
    }
  }
}

DEDIT_KERNEL_TEST(ElementwiseKernel);

}  // namespace
}  // namespace dedit::cuda

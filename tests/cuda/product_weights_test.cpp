// Packing of weights, in the emulator.
#include "cuda/product.h"
#include "kernel_test.h"

namespace dedit::cuda {
namespace {

class PackWeights : public KernelTest {};

TEST_P(PackWeights, PutsChannelsLast) {
  for (const Type stored : {Type::kF32, Type::kBF16, Type::kF16}) {
    for (const auto& [out, in, kernel] :
         {std::array<int64_t, 3>{1, 1, 1}, {3, 300, 1}, {5, 7, 3}, {2, 257, 3}, {3, 4, 2}}) {
      const int64_t taps = kernel * kernel;
      Array x = random_array(stored, out * in * taps), y(GetParam(), out * in * taps);
      run(y, [&] {
        pack_weights(nullptr, x.data(), stored, out, in, int(kernel), y.data(), GetParam());
      });
      Array exact(GetParam(), out * in * taps);
      for (int64_t i = 0; i < out * in * taps; ++i) {
        const int64_t row = i / (in * taps), channel = i / taps % in, tap = i % taps;
        exact.set(size_t((row * taps + tap) * in + channel), x[size_t(i)]);
      }
      EXPECT_TRUE(y.bytes() == exact.bytes()) << name_of(stored) << " " << out << " " << in;
    }
  }
}

DEDIT_KERNEL_TEST(PackWeights);

}  // namespace
}  // namespace dedit::cuda

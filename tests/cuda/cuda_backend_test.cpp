// What the CUDA backend does around its kernels; tests/backend has its ops.
#include "backend/cuda/cuda_backend.h"

#include <numeric>

#include <gtest/gtest.h>

#include "nn/ops.h"
#include "support/simt_device.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// Takes what it is given and remembers it.
class FakeMatmul : public cuda::Matmul {
 public:
  struct Log {
    int n_products = 0;
    const void* bias = nullptr;
    cuda::ProductArgs args;
  };
  FakeMatmul(Log& log, bool takes_it) : log_(log), takes_it_(takes_it) {}
  std::string description() const override { return "a library"; }
  size_t workspace_bytes() const override { return 1 << 20; }
  bool product(cuda::Stream, const cuda::ProductArgs& args, const void* bias,
               void* workspace) override {
    EXPECT_NE(workspace, nullptr);
    ++log_.n_products;
    log_.bias = bias;
    log_.args = args;
    return takes_it_;
  }

 private:
  Log& log_;
  bool takes_it_;
};

WeightView view(const std::vector<float>& data, const Shape& shape) {
  return {data.data(), DType::kF32, shape};
}

TEST(CudaBackend, SaysWhatItRunsOn) {
  FakeMatmul::Log log;
  EXPECT_EQ(cuda::CudaBackend(std::make_unique<cuda::SimtDevice>()).description(), "cuda emulated");
  EXPECT_EQ(cuda::CudaBackend(std::make_unique<cuda::SimtDevice>(), {},
                              std::make_unique<FakeMatmul>(log, true))
                .description(),
            "cuda emulated, a library");
}

TEST(CudaBackend, LeavesPlainLinearLayersToALibraryThatTakesThem) {
  for (const bool takes_it : {true, false}) {
    FakeMatmul::Log log;
    cuda::CudaBackend backend(std::make_unique<cuda::SimtDevice>(), {},
                              std::make_unique<FakeMatmul>(log, takes_it));
    Pool pool(backend.memory());
    const std::vector<float> weight(16 * 16, 0.5f), bias(16, 1.0f), ones(3 * 16, 1.0f);
    const WeightView w = view(weight, {16, 16}), b = view(bias, {16});
    const auto packed = backend.pack_linear({&w, 1}, {&b, 1}, DType::kBF16);
    Tensor x = pool.make({1, 3, 16}, DType::kBF16), y = pool.make({1, 3, 16}, DType::kBF16);
    backend.upload(ones.data(), x);
    backend.linear(x, *packed, {.residual = &x}, y);
    EXPECT_EQ(log.n_products, 1);
    EXPECT_EQ(log.args.batch * log.args.height * log.args.width, 3);
    EXPECT_EQ(log.args.residual, x.raw());
    Tensor rounded(std::make_shared<Buffer>(Buffer{const_cast<void*>(log.bias), 32}), {16},
                   DType::kBF16);
    std::vector<float> got(16);
    backend.download(rounded, got.data());
    EXPECT_EQ(got, bias);
    // What has more to do than a library can is ours.
    backend.linear(x, *packed, {.act = Act::kSilu}, y);
    Tensor half = pool.make({1, 3, 8}, DType::kBF16);
    backend.linear(x, *packed, {.act = Act::kGeGlu}, half);
    EXPECT_EQ(log.n_products, 1);
    if (takes_it) continue;
    backend.linear(x, *packed, {.residual = &x}, y);
    std::vector<float> sums(3 * 16);
    backend.download(y, sums.data());
    EXPECT_EQ(sums[0], 16 * 0.5f + 1 + 1);
  }
}

TEST(CudaBackend, WeightsOfAllSizesKeepTheirValues) {
  cuda::CudaBackend backend(std::make_unique<cuda::SimtDevice>());
  // A table larger than a block of staging, one larger than a piece of a conversion.
  for (const int64_t n : {int64_t{3}, int64_t{2} << 20, (int64_t{9} << 20) + 5}) {
    std::vector<float> values(size_t(n), 0.0f);
    std::iota(values.begin(), values.end(), 0.0f);
    std::vector<uint16_t> halves;
    for (float& v : values) {
      v = float(int64_t(v) % 1000) / 8;
      halves.push_back(to_half(v).bits);
    }
    for (const bool is_half : {false, true}) {
      const Tensor t = backend.constant(is_half ? WeightView{halves.data(), DType::kF16, {n}}
                                                : view(values, {n}));
      std::vector<float> got(values.size());
      backend.download(t, got.data());
      EXPECT_TRUE(got == values) << n << (is_half ? " halves" : "");
    }
  }
}

TEST(CudaBackend, ConstantsAndWeightsOutliveIt) {
  auto backend = std::make_unique<cuda::CudaBackend>(std::make_unique<cuda::SimtDevice>());
  const std::vector<float> values{1, 2};
  const WeightView w = view(values, {1, 2});
  const Tensor constant = backend->constant(view(values, {2}));
  const PackedWeightPtr weight = backend->pack_linear({&w, 1}, {}, DType::kF32);
  backend.reset();
  EXPECT_EQ(weight->in, 2);
  EXPECT_EQ(constant.dim(0), 2);
}

/// The sum of two of 64 layers of that many channels, and what their weights take on the device.
struct Product {
  std::vector<float> y;
  size_t held = 0;
};
Product product(bool low_memory, int64_t channels, DType dtype) {
  auto owned = std::make_unique<cuda::SimtDevice>();
  const cuda::SimtDevice& device = *owned;
  cuda::CudaBackend backend(std::move(owned), {.low_memory = low_memory});
  Pool pool(backend.memory());
  std::vector<float> weight(size_t(channels * channels)), bias(size_t(channels), 0.25f);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = float(i % 13) / 8 - 0.5f;
  const WeightView w = view(weight, {channels, channels}), b = view(bias, {channels});
  Tensor x = pool.make({1, 2, channels}, dtype), y = pool.make({1, 2, channels}, dtype);
  backend.upload(weight.data(), x);
  const PackedWeightPtr small = backend.pack_linear({&w, 1}, {&b, 1}, dtype);
  backend.linear(x, *small, {}, y);  // what grows has grown
  const size_t before = device.free_bytes();
  std::vector<PackedWeightPtr> layers;
  const std::vector<float> reversed(weight.rbegin(), weight.rend());
  const WeightView other = view(reversed, {channels, channels});
  for (int i = 0; i < 64; ++i) {
    layers.push_back(backend.pack_linear({i % 2 ? &w : &other, 1}, {&b, 1}, dtype));
  }
  Product result;
  result.held = before - device.free_bytes();
  backend.linear(x, *layers[0], {}, y);
  backend.linear(x, *layers[63], {.residual = &y}, y);
  result.y.resize(size_t(y.numel()));
  backend.download(y, result.y.data());
  return result;
}

TEST(CudaBackend, WithLittleMemoryLargeWeightsAreNotOnTheDevice) {
  constexpr int64_t kLarge = 256;
  const Product plain = product(false, kLarge, DType::kF32);
  const Product low = product(true, kLarge, DType::kF32);
  EXPECT_EQ(low.y, plain.y);
  EXPECT_GE(plain.held, size_t(64) * kLarge * kLarge * 4);
  EXPECT_EQ(low.held, 0u);  // biases fit in the block that there is
  EXPECT_EQ(product(true, kLarge, DType::kBF16).y, product(false, kLarge, DType::kBF16).y);
}

TEST(CudaBackend, WithLittleMemorySmallWeightsStayOnTheDevice) {
  constexpr int64_t kSmall = 120;  // 56 KiB
  EXPECT_EQ(product(true, kSmall, DType::kF32).held, product(false, kSmall, DType::kF32).held);
}

TEST(CudaBackend, PinnedWeightsOutliveItToo) {
  auto backend = std::make_unique<cuda::CudaBackend>(std::make_unique<cuda::SimtDevice>(),
                                                     cuda::Queue::Options{.low_memory = true});
  const std::vector<float> values(256 * 256, 1.0f);
  const WeightView w = view(values, {256, 256});
  const PackedWeightPtr weight = backend->pack_linear({&w, 1}, {}, DType::kF32);
  backend.reset();
  EXPECT_EQ(weight->in, 256);
}

TEST(CudaBackend, MixedTypesAreRefused) {
  cuda::CudaBackend backend(std::make_unique<cuda::SimtDevice>());
  Pool pool(backend.memory());
  const std::vector<float> weight(64, 1.0f);
  const WeightView w = view(weight, {8, 8});
  const auto packed = backend.pack_linear({&w, 1}, {}, DType::kBF16);
  const Tensor x = pool.make({1, 8}, DType::kF32);
  Tensor y = pool.make({1, 8}, DType::kF32);
  EXPECT_THROW(backend.linear(x, *packed, {}, y), Error);
}

}  // namespace
}  // namespace dedit

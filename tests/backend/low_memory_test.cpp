// Weights of a mapped file on a CPU backend that is to keep them out of memory between uses.
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/isa.h"
#include "io/safetensors.h"
#include "support/resident.h"

namespace dedit {
namespace {

constexpr int64_t kIn = 512, kOut = 2048, kChannels = 128;
constexpr size_t kLinearBytes = size_t(kIn * kOut) * sizeof(float);

std::vector<float> wave(int64_t n, float step) {
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(int64_t(float(i) * step) % 17 - 8) / 16;
  return x;
}

class LowMemory : public ::testing::Test {
 protected:
  LowMemory() {
    const std::string path = (std::filesystem::temp_directory_path() /
                              ("dedit-low-" + std::to_string(::getpid()) + ".safetensors"))
                                 .string();
    const auto linear = wave(kIn * kOut, 1.37f), conv = wave(kChannels * kChannels * 9, 0.61f);
    std::vector<Half> half;
    for (const float v : linear) half.push_back(to_half(v));
    const NamedTensor tensors[] = {
        {"linear", {kOut, kIn}, DType::kF32, linear.data()},
        {"half", {kOut, kIn}, DType::kF16, half.data()},
        {"conv", {kChannels, kChannels, 3, 3}, DType::kF32, conv.data()},
    };
    save_safetensors(path, tensors);
    file = SafetensorsFile::open(path);
    std::filesystem::remove(path);
  }
  static std::unique_ptr<Backend> make(bool low_memory) {
    return std::make_unique<cpu::CpuBackend>(cpu::chosen_isa(),
                                             BackendOptions{.low_memory = low_memory});
  }
  const WeightView& view(const char* name) const { return file->tensors().find(name)->second; }
  size_t resident() const { return resident_bytes(view("linear").data); }

  static std::vector<float> download(Backend& backend, const Tensor& y) {
    std::vector<float> out(size_t(y.numel()));
    backend.download(y, out.data());
    return out;
  }
  static Tensor input(Backend& backend, Pool& pool, const Shape& shape) {
    Tensor x = pool.make(shape, DType::kF32);
    backend.upload(wave(x.numel(), 0.83f).data(), x);
    return x;
  }
  /// y of linear layers on `names` stacked.
  std::vector<float> linear(Backend& backend, const std::vector<const char*>& names) const {
    std::vector<WeightView> weights;
    for (const char* name : names) weights.push_back(view(name));
    const auto w = backend.pack_linear(weights, {}, DType::kF32);
    Pool pool(backend.memory());
    Tensor y = pool.make({1, 70, w->out}, DType::kF32);
    backend.linear(input(backend, pool, {1, 70, kIn}), *w, {}, y);
    return download(backend, y);
  }
  std::vector<float> conv(Backend& backend, const Conv2dParams& params) const {
    const auto w = backend.pack_conv2d(view("conv"), {}, params, DType::kF32);
    Pool pool(backend.memory());
    const int64_t side = 8 / params.stride;
    Tensor y = pool.make({1, side, side, kChannels}, DType::kF32);
    const Tensor x = input(backend, pool, {1, 8, 8, kChannels});
    backend.conv2d({.x = &x}, *w, params, {}, y);
    return download(backend, y);
  }

  std::shared_ptr<const SafetensorsFile> file;
};

TEST_F(LowMemory, WeightsLeaveMemoryAfterEachUse) {
  const auto plain = make(false), low = make(true);
  linear(*low, {"linear"});
  EXPECT_LT(resident(), kLinearBytes / 8);
  linear(*plain, {"linear"});
  EXPECT_GE(resident(), kLinearBytes);
  linear(*low, {"linear"});
  EXPECT_LT(resident(), kLinearBytes / 8);
  low->constant(view("linear"));
  EXPECT_LT(resident(), kLinearBytes / 8);
}

TEST_F(LowMemory, ResultsAreTheSameBytes) {
  const auto plain = make(false), low = make(true);
  const std::vector<const char*> one = {"half"}, mixed = {"linear", "half"};
  for (const auto& names : {one, mixed}) {
    const std::vector<float> y = linear(*low, names);
    EXPECT_EQ(y, linear(*low, names));
    EXPECT_EQ(y, linear(*plain, names));
  }
  Conv2dParams winograd, strided;
  strided.stride = 2;
  for (const Conv2dParams& params : {winograd, strided}) {
    EXPECT_EQ(conv(*low, params), conv(*plain, params));
  }
}

TEST_F(LowMemory, CopiesOutliveThePagesTheyWereMadeFrom) {
  const auto low = make(true);
  const Tensor table = low->constant(view("half"));
  EXPECT_LT(resident(), kLinearBytes / 8);
  std::vector<float> stored(size_t(table.numel()));
  read_f32(view("half"), 0, table.numel(), stored.data());
  EXPECT_EQ(download(*low, table), stored);
}

}  // namespace
}  // namespace dedit

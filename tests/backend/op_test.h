// Fixture of the tests of the CPU backend's ops: every instruction set this CPU has, f32 and bf16,
// against the reference backend in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/isa.h"
#include "core/parallel.h"
#include "support/close.h"
#include "support/reference_backend.h"

namespace dedit {

/// Up to the best of this CPU, or to DEDIT_MAX_ISA.
inline std::vector<kernels::IsaLevel> levels_of_this_cpu() {
  std::vector<kernels::IsaLevel> levels;
  for (int i = 0; i <= int(cpu::chosen_isa()); ++i) levels.push_back(kernels::IsaLevel(i));
  return levels;
}

/// A value and its rounding to an activation type.
inline float rounded(float v, DType dtype) {
  return dtype == DType::kBF16 ? to_float(to_bfloat16(v)) : v;
}

/// The same values on the backend under test and, in double, on the reference; and their
/// absolute values, from which the reference computes an error bound's magnitude.
struct Values {
  Tensor cpu, ref, mag;
};

/// Weights on both backends, and of their absolute values.
struct Weights3 {
  PackedWeightPtr cpu, ref, mag;
};

/// A view that keeps its data, as those of a checkpoint do: packed weights may refer to it.
template <class T>
WeightView owning_view(const std::vector<T>& data, const Shape& shape, DType dtype = DType::kF32) {
  const auto owner = std::make_shared<const std::vector<T>>(data);
  return {owner->data(), dtype, shape, owner};
}

class OpTest : public ::testing::TestWithParam<std::tuple<kernels::IsaLevel, DType>> {
 protected:
  DType dtype() const { return std::get<1>(GetParam()); }
  /// bf16 products on AMX, the one case without fusions of ours.
  bool leaves_to_onednn() const {
    return dtype() == DType::kBF16 && std::get<0>(GetParam()) == kernels::IsaLevel::kAmx;
  }

  std::vector<float> random(int64_t n, DType type, float mean = 0, float deviation = 1) {
    std::normal_distribution<float> normal(mean, deviation);
    std::vector<float> v(static_cast<size_t>(n));
    for (float& x : v) x = rounded(normal(engine), type);
    return v;
  }

  Values values(const std::vector<float>& host, const Shape& shape, DType type) {
    Values v{cpu_pool.make(shape, type), ref_pool.make(shape, DType::kF64),
             ref_pool.make(shape, DType::kF64)};
    std::vector<float> absolute(host);
    for (float& x : absolute) x = std::abs(x);
    cpu.upload(host.data(), v.cpu);
    ref->upload(host.data(), v.ref);
    ref->upload(absolute.data(), v.mag);
    return v;
  }
  Values random_values(const Shape& shape, DType type, float mean = 0, float deviation = 1) {
    return values(random(shape.numel(), type, mean, deviation), shape, type);
  }
  /// Uninitialised outputs.
  Values outputs(const Shape& shape, DType type) {
    return {cpu_pool.make(shape, type), ref_pool.make(shape, DType::kF64),
            ref_pool.make(shape, DType::kF64)};
  }

  std::vector<float> floats(const Tensor& t) {
    std::vector<float> host(static_cast<size_t>(t.numel()));
    cpu.download(t, host.data());
    return host;
  }
  static std::vector<double> doubles(const Tensor& t) {
    return {t.data<double>(), t.data<double>() + t.numel()};
  }
  static std::vector<std::byte> bytes(const Tensor& t) {
    std::vector<std::byte> b(t.bytes());
    std::memcpy(b.data(), t.raw(), t.bytes());
    return b;
  }

  /// Runs `op` (which writes `y`) with 1 to 4 threads and checks that the bytes are the same.
  template <class Op>
  void expect_same_for_any_threads(const Tensor& y, const Op& op) {
    const int saved = num_threads();
    std::vector<std::byte> first;
    for (int threads = 1; threads <= 4; ++threads) {
      set_num_threads(threads);
      std::memset(y.raw(), 0x5a, y.bytes());
      op();
      if (threads == 1) first = bytes(y);
      EXPECT_TRUE(bytes(y) == first) << threads << " threads";
    }
    set_num_threads(saved);
  }

  std::mt19937 engine{1};
  cpu::CpuBackend cpu{std::get<0>(GetParam())};
  std::unique_ptr<Backend> ref = make_reference_backend();
  Pool cpu_pool{cpu.memory()};
  Pool ref_pool{ref->memory()};
};

#define DEDIT_OP_TEST(Fixture)                                                                     \
  INSTANTIATE_TEST_SUITE_P(Cpu, Fixture,                                                           \
                           ::testing::Combine(::testing::ValuesIn(levels_of_this_cpu()),           \
                                              ::testing::Values(DType::kF32, DType::kBF16)),       \
                           [](const auto& test) {                                                  \
                             return std::string(kernels::name_of(std::get<0>(test.param))) + "_" + \
                                    name_of(std::get<1>(test.param));                              \
                           })

}  // namespace dedit

// Fixture of the tests of the backends' ops: every instruction set this CPU has and a GPU (here an
// emulated one), in each type that they compute in, against the reference backend in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/isa.h"
#include "core/parallel.h"
#include "support/close.h"
#include "support/gpu.h"
#include "support/reference_backend.h"

namespace dedit {

/// Up to the best of this CPU, or to DEDIT_MAX_ISA.
inline std::vector<kernels::IsaLevel> levels_of_this_cpu() {
  std::vector<kernels::IsaLevel> levels;
  for (int i = 0; i <= int(cpu::chosen_isa()); ++i) levels.push_back(kernels::IsaLevel(i));
  return levels;
}

/// A backend under test and the type of its activations.
struct OpTarget {
  std::optional<kernels::IsaLevel> level;  ///< none: a GPU
  DType dtype;

  std::string name() const {
    return std::string(level ? kernels::name_of(*level) : "cuda") + "_" + name_of(dtype);
  }
  std::unique_ptr<Backend> make() const {
    if (!level) return make_cuda_backend(0);
    return std::make_unique<cpu::CpuBackend>(*level);
  }
};

inline std::vector<OpTarget> cpu_targets() {
  std::vector<OpTarget> targets;
  for (const kernels::IsaLevel level : levels_of_this_cpu()) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) targets.push_back({level, dtype});
  }
  return targets;
}
inline std::vector<OpTarget> gpu_targets() {
  return {{std::nullopt, DType::kF32}, {std::nullopt, DType::kBF16}, {std::nullopt, DType::kF16}};
}

inline void PrintTo(const OpTarget& target, std::ostream* s) {
  *s << target.name();
}

/// A value and its rounding to an activation type.
inline float rounded(float v, DType dtype) {
  if (dtype == DType::kF16) return to_float(to_half(v));
  return dtype == DType::kBF16 ? to_float(to_bfloat16(v)) : v;
}

/// The same values on the backend under test and, in double, on the reference; and their
/// absolute values, from which the reference computes an error bound's magnitude.
struct Values {
  Tensor own, ref, mag;
};

/// Weights on both backends, and of their absolute values.
struct Weights3 {
  PackedWeightPtr own, ref, mag;
};

/// A view that keeps its data, as those of a checkpoint do: packed weights may refer to it.
template <class T>
WeightView owning_view(const std::vector<T>& data, const Shape& shape, DType dtype = DType::kF32) {
  const auto owner = std::make_shared<const std::vector<T>>(data);
  return {owner->data(), dtype, shape, owner};
}

class OpTest : public ::testing::TestWithParam<OpTarget> {
 protected:
  OpTest() {
    if (is_gpu() && !gpu_problem().empty()) return;
    own_backend = GetParam().make();
    own_pool_ = std::make_unique<Pool>(own_backend->memory());
  }
  void SetUp() override {
    if (!own_backend) GTEST_SKIP() << gpu_problem();
  }

  DType dtype() const { return GetParam().dtype; }
  bool is_gpu() const { return !GetParam().level; }
  /// bf16 products on AMX, the one case without fusions of ours.
  bool leaves_to_onednn() const {
    return dtype() == DType::kBF16 && GetParam().level == kernels::IsaLevel::kAmx;
  }
  /// Whether so many multiplications are more than an emulated GPU does in a moment.
  bool takes_long(double multiplications) const {
    return is_gpu() && is_gpu_emulated() && multiplications > 4e6;
  }

  std::vector<float> random(int64_t n, DType type, float mean = 0, float deviation = 1) {
    std::normal_distribution<float> normal(mean, deviation);
    std::vector<float> v(static_cast<size_t>(n));
    for (float& x : v) x = rounded(normal(engine), type);
    return v;
  }

  Values values(const std::vector<float>& host, const Shape& shape, DType type) {
    Values v{own_pool().make(shape, type), ref_pool.make(shape, DType::kF64),
             ref_pool.make(shape, DType::kF64)};
    std::vector<float> absolute(host);
    for (float& x : absolute) x = std::abs(x);
    own().upload(host.data(), v.own);
    ref->upload(host.data(), v.ref);
    ref->upload(absolute.data(), v.mag);
    return v;
  }
  Values random_values(const Shape& shape, DType type, float mean = 0, float deviation = 1) {
    return values(random(shape.numel(), type, mean, deviation), shape, type);
  }
  /// Uninitialised outputs.
  Values outputs(const Shape& shape, DType type) {
    return {own_pool().make(shape, type), ref_pool.make(shape, DType::kF64),
            ref_pool.make(shape, DType::kF64)};
  }

  std::vector<float> floats(const Tensor& t) {
    std::vector<float> host(static_cast<size_t>(t.numel()));
    own().download(t, host.data());
    return host;
  }
  static std::vector<double> doubles(const Tensor& t) {
    return {t.data<double>(), t.data<double>() + t.numel()};
  }
  /// As floats, which hold every bit of the others.
  std::vector<std::byte> bytes(const Tensor& t) {
    const std::vector<float> values = floats(t);
    std::vector<std::byte> b(values.size() * sizeof(float));
    std::memcpy(b.data(), values.data(), b.size());
    return b;
  }

  /// Runs `op` (which writes `y`) with 1 to 4 threads, on a GPU with its blocks in both orders, and
  /// checks that the bytes are the same.
  template <class Op>
  void expect_same_for_any_threads(Tensor y, const Op& op) {
    const int saved = num_threads();
    const std::vector<float> others(size_t(y.numel()), 12345.0f);
    std::vector<std::byte> first;
    for (int run = 1; run <= (is_gpu() ? 2 : 4); ++run) {
      if (!is_gpu()) set_num_threads(run);
      set_gpu_order(/*is_reversed=*/is_gpu() && run == 2);
      own().upload(others.data(), y);
      op();
      if (run == 1) first = bytes(y);
      EXPECT_TRUE(bytes(y) == first) << (is_gpu() ? "order " : "threads ") << run;
    }
    set_gpu_order(false);
    set_num_threads(saved);
  }

  /// The fixture's own hold on the backend and the pool ends.
  void release() {
    own_pool_.reset();
    own_backend.reset();
  }
  Backend& own() { return *own_backend; }
  Pool& own_pool() { return *own_pool_; }

  std::mt19937 engine{1};
  std::unique_ptr<Backend> own_backend;
  std::unique_ptr<Backend> ref = make_reference_backend();
  Pool ref_pool{ref->memory()};

 private:
  std::unique_ptr<Pool> own_pool_;
};

#define DEDIT_CPU_OP_TEST(Fixture)                                           \
  INSTANTIATE_TEST_SUITE_P(Cpu, Fixture, ::testing::ValuesIn(cpu_targets()), \
                           [](const auto& test) { return test.param.name(); })
#define DEDIT_GPU_OP_TEST(Fixture)                                           \
  INSTANTIATE_TEST_SUITE_P(Gpu, Fixture, ::testing::ValuesIn(gpu_targets()), \
                           [](const auto& test) { return test.param.name(); })
#define DEDIT_OP_TEST(Fixture) \
  DEDIT_CPU_OP_TEST(Fixture);  \
  DEDIT_GPU_OP_TEST(Fixture)

}  // namespace dedit

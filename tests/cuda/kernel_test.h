// Fixture of the tests of the GPU's kernels. In test_cuda they run in the emulator, in its usual
// order of threads and blocks and in the opposite one, in test_gpu on a GPU, twice; both runs must
// give the same bytes.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/dtype.h"
#include "cuda/contract.h"
#include "support/kernel_memory.h"

namespace dedit::cuda {

inline const char* name_of(Type type) {
  return type == Type::kF32 ? "f32" : type == Type::kBF16 ? "bf16" : "f16";
}

/// An array that tests and kernels see; its end is the end of its memory, for the address
/// sanitizer. data() is for kernels, and to be asked for anew whenever elements were set.
class Array {
 public:
  Array(Type type, int64_t n)
      : type_(type), data_(std::vector<std::byte>(size_t(n * size_of(type)), std::byte{0xff})) {}
  Array(Type type, const std::vector<float>& values) : Array(type, int64_t(values.size())) {
    for (size_t i = 0; i < values.size(); ++i) set(i, values[i]);
  }

  Type type() const { return type_; }
  int64_t size() const { return int64_t(data_.size()) / size_of(type_); }
  void* data() { return data_.device(); }
  const std::vector<std::byte>& bytes() const { return data_.host(); }

  /// Element i as the type holds it.
  float operator[](size_t i) const {
    if (type_ == Type::kF32) return read<float>(i);
    return type_ == Type::kBF16 ? to_float(read<BFloat16>(i)) : to_float(read<Half>(i));
  }
  void set(size_t i, float v) {
    if (type_ == Type::kF32) return write(i, v);
    if (type_ == Type::kBF16) return write(i, to_bfloat16(v));
    write(i, to_half(v));
  }

 private:
  template <class T>
  T read(size_t i) const {
    T v;
    std::memcpy(&v, data_.host().data() + i * sizeof(T), sizeof(T));
    return v;
  }
  template <class T>
  void write(size_t i, T v) {
    std::memcpy(data_.host_to_write() + i * sizeof(T), &v, sizeof(T));
  }

  Type type_;
  KernelMemory data_;
};

/// Bytes that kernels alone look at: workspaces, and values that they read.
class KernelBytes {
 public:
  explicit KernelBytes(size_t n) : data_(std::vector<std::byte>(n, std::byte{0xff})) {}
  template <class T>
  explicit KernelBytes(const std::vector<T>& values) : KernelBytes(values.size() * sizeof(T)) {
    std::memcpy(data_.host_to_write(), values.data(), data_.size());
  }

  template <class T = void>
  T* data() {
    return static_cast<T*>(data_.device());
  }

 private:
  KernelMemory data_;
};

class KernelTest : public ::testing::TestWithParam<Type> {
 protected:
  void SetUp() override {
    if (const std::string why = kernel_problem(); !why.empty()) GTEST_SKIP() << why;
  }

  std::vector<float> random(int64_t n, float mean = 0, float deviation = 1) {
    std::normal_distribution<float> normal(mean, deviation);
    std::vector<float> v(static_cast<size_t>(n));
    for (float& x : v) x = normal(engine);
    return v;
  }
  Array random_array(Type type, int64_t n, float mean = 0, float deviation = 1) {
    return Array(type, random(n, mean, deviation));
  }

  /// Runs `kernel`, which writes y, in both orders.
  template <class Kernel>
  void run(Array& y, const Kernel& kernel) {
    const Array before = y;
    y.data();  // now on the device, also for kernels that keep the address
    kernel();
    const Array first = y;
    y = before;
    y.data();
    set_reverse_order(true);
    kernel();
    set_reverse_order(false);
    EXPECT_TRUE(first.bytes() == y.bytes()) << "the order of threads changes the result";
  }

  /// One unit in the last place of a type, relative: what a single rounding may add is half.
  static double epsilon(Type type) {
    return type == Type::kF32 ? 0x1p-23 : type == Type::kBF16 ? 0x1p-7 : 0x1p-10;
  }

  std::mt19937 engine{1};
};

#define DEDIT_KERNEL_TEST(Fixture)                                                 \
  INSTANTIATE_TEST_SUITE_P(Kernel, Fixture,                                        \
                           ::testing::Values(Type::kF32, Type::kBF16, Type::kF16), \
                           [](const auto& test) { return std::string(name_of(test.param)); })

}  // namespace dedit::cuda

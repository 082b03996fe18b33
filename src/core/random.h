// Random numbers: torch's CPU generator, so that seeds agree with the reference.
#pragma once

#include <cstdint>
#include <random>
#include <span>

namespace dedit {

/// Normal draws of torch's CPU generator (`torch.Generator("cpu").manual_seed(seed)`, `torch.randn`
/// f32): MT19937 on the seed's low 32 bits; blocks of 16 Box-Muller pairs for 16 and more numbers,
/// single draws with a cached second value below
/// (aten/src/ATen/native/cpu/DistributionTemplates.h).
class TorchCpuGenerator {
 public:
  explicit TorchCpuGenerator(uint64_t seed);
  /// Standard normal; one call is one torch.randn of out.size() elements.
  void randn(std::span<float> out);
  /// Uniform in [0, 1): 24-bit, as torch.rand f32.
  void rand(std::span<float> out);

 private:
  float uniform24();
  double uniform53();
  std::mt19937 engine_;
  bool has_cached_ = false;
  double cached_ = 0;
};

}  // namespace dedit

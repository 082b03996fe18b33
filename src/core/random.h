// Random numbers: torch's CPU generator, so that seeds agree with the reference, and the stream of
// its CUDA generator, which web UIs know.
#pragma once

#include <cstdint>
#include <random>
#include <span>

namespace dedit {

/// Where noise comes from.
class NormalGenerator {
 public:
  virtual ~NormalGenerator() = default;
  /// Standard normal; one call is one torch.randn of out.size() elements.
  virtual void randn(std::span<float> out) = 0;
};

/// Normal draws of torch's CPU generator (`torch.Generator("cpu").manual_seed(seed)`, `torch.randn`
/// f32): MT19937 on the seed's low 32 bits; blocks of 16 Box-Muller pairs for 16 and more numbers,
/// single draws with a cached second value below
/// (aten/src/ATen/native/cpu/DistributionTemplates.h).
class TorchCpuGenerator final : public NormalGenerator {
 public:
  explicit TorchCpuGenerator(uint64_t seed);
  void randn(std::span<float> out) override;
  /// Uniform in [0, 1): 24-bit, as torch.rand f32.
  void rand(std::span<float> out);

 private:
  float uniform24();
  double uniform53();
  std::mt19937 engine_;
  bool has_cached_ = false;
  double cached_ = 0;
};

/// Normal draws as web UIs make them for their "GPU" and "NV" seeds: torch's CUDA generator,
/// imitated. Philox 4x32 with ten rounds (Salmon et al. 2011, doi:10.1145/2063384.2063405), one
/// counter an element, its first two words through Box-Muller.
class PhiloxGenerator final : public NormalGenerator {
 public:
  explicit PhiloxGenerator(uint64_t seed) : seed_(seed) {}
  void randn(std::span<float> out) override;

 private:
  uint64_t seed_;
  uint32_t n_calls_ = 0;
};

}  // namespace dedit

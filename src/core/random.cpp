#include "core/random.h"

#include <array>
#include <cmath>
#include <numbers>

namespace dedit {

namespace {

constexpr size_t kBlock = 16;

/// 16 uniforms to 16 normals in place: element j of the first half gives the radius, element j of
/// the second half the angle (normal_fill_16 of the reference).
void box_muller_16(float* block) {
  constexpr float kTwoPi = 2 * std::numbers::pi_v<float>;
  for (size_t j = 0; j < kBlock / 2; ++j) {
    const float radius = std::sqrt(-2.0f * std::log(1.0f - block[j]));  // 1 - u is never zero
    const float theta = kTwoPi * block[j + kBlock / 2];
    block[j] = radius * std::cos(theta);
    block[j + kBlock / 2] = radius * std::sin(theta);
  }
}

/// Philox 4x32-10 of one counter.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, uint64_t seed) {
  constexpr uint64_t kMultipliers[] = {0xd2511f53, 0xcd9e8d57};
  constexpr uint32_t kKeySteps[] = {0x9e3779b9, 0xbb67ae85};
  uint32_t key[] = {uint32_t(seed), uint32_t(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = counter[0] * kMultipliers[0], b = counter[2] * kMultipliers[1];
    counter = {uint32_t(b >> 32) ^ counter[1] ^ key[0], uint32_t(b),
               uint32_t(a >> 32) ^ counter[3] ^ key[1], uint32_t(a)};
    key[0] += kKeySteps[0];
    key[1] += kKeySteps[1];
  }
  return counter;
}

}  // namespace

TorchCpuGenerator::TorchCpuGenerator(uint64_t seed) : engine_(uint32_t(seed)) {}

float TorchCpuGenerator::uniform24() {
  return float(engine_() & 0xffffffu) * 0x1p-24f;
}

double TorchCpuGenerator::uniform53() {
  const uint64_t high = engine_();
  const uint64_t low = engine_();
  return double(((high << 32) | low) & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

void TorchCpuGenerator::rand(std::span<float> out) {
  for (float& v : out) v = uniform24();
}

void TorchCpuGenerator::randn(std::span<float> out) {
  if (out.size() < kBlock) {
    for (float& v : out) {
      if (has_cached_) {
        v = float(cached_);
        has_cached_ = false;
        continue;
      }
      const double u1 = uniform53();
      const double u2 = uniform53();
      const double radius = std::sqrt(-2.0 * std::log1p(-u2));
      const double theta = 2 * std::numbers::pi * u1;
      cached_ = radius * std::sin(theta);
      has_cached_ = true;
      v = float(radius * std::cos(theta));
    }
    return;
  }
  rand(out);
  for (size_t i = 0; i + kBlock <= out.size(); i += kBlock) box_muller_16(&out[i]);
  if (out.size() % kBlock != 0) {  // the reference draws the last 16 anew
    const std::span<float> tail = out.last(kBlock);
    rand(tail);
    box_muller_16(tail.data());
  }
}

void PhiloxGenerator::randn(std::span<float> out) {
  // 2^-32 and 2 pi 2^-32 as the imitated code has them: in f32, the rest in double.
  constexpr double kUnit = 0x1p-32;
  constexpr double kAngle = float(2.3283064e-10 * 6.2831855);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto words = philox({n_calls_, 0, uint32_t(i), 0}, seed_);
    const double u = words[0] * kUnit + kUnit / 2;
    const double v = words[1] * kAngle + kAngle / 2;
    out[i] = float(std::sqrt(-2.0 * std::log(u)) * std::sin(v));
  }
  ++n_calls_;
}

}  // namespace dedit

#include "core/random.h"

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

}  // namespace dedit

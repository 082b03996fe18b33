#include "backend/cpu/convert.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/jobs.h"

namespace dedit::cpu {

void convert(const kernels::KernelTable& table, const void* x, DType from, void* y, DType to,
             int64_t n) {
  constexpr int64_t kBlock = 1 << 16;
  const auto* in = static_cast<const std::byte*>(x);
  auto* out = static_cast<std::byte*>(y);
  parallel_for(divide_up(n, kBlock), [&](int64_t i) {
    const int64_t first = i * kBlock, count = std::min(kBlock, n - first);
    const std::byte* source = in + size_t(first) * size_of(from);
    std::byte* target = out + size_t(first) * size_of(to);
    if (from == to) {
      std::memcpy(target, source, size_t(count) * size_of(to));
    } else if (to == DType::kF32) {
      table.f32_from_bf16(reinterpret_cast<const uint16_t*>(source), count,
                          reinterpret_cast<float*>(target));
    } else {
      table.bf16_from_f32(reinterpret_cast<const float*>(source), count,
                          reinterpret_cast<uint16_t*>(target));
    }
  });
}

}  // namespace dedit::cpu

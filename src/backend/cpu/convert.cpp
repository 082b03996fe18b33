#include "backend/cpu/convert.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/jobs.h"

namespace dedit::cpu {

void convert_row(const kernels::KernelTable& table, const void* x, DType from, void* y, DType to,
                 int64_t n) {
  if (from == to) {
    std::memcpy(y, x, size_t(n) * size_of(to));
  } else if (to == DType::kF32) {
    table.f32_from_bf16(static_cast<const uint16_t*>(x), n, static_cast<float*>(y));
  } else {
    table.bf16_from_f32(static_cast<const float*>(x), n, static_cast<uint16_t*>(y));
  }
}

void convert(const kernels::KernelTable& table, const void* x, DType from, void* y, DType to,
             int64_t n) {
  constexpr int64_t kBlock = 1 << 16;
  const auto* in = static_cast<const std::byte*>(x);
  auto* out = static_cast<std::byte*>(y);
  parallel_for(divide_up(n, kBlock), [&](int64_t i) {
    const int64_t first = i * kBlock;
    convert_row(table, in + size_t(first) * size_of(from), from, out + size_t(first) * size_of(to),
                to, std::min(kBlock, n - first));
  });
}

}  // namespace dedit::cpu

#include "core/weight_view.h"

#include <cstring>

namespace dedit {
namespace {

template <class T>
void convert(const WeightView& view, int64_t first, int64_t count, float* out) {
  const auto* bytes = static_cast<const std::byte*>(view.data) + size_t(first) * sizeof(T);
  for (int64_t i = 0; i < count; ++i) {
    T v;
    std::memcpy(&v, bytes + size_t(i) * sizeof(T), sizeof(T));  // may be unaligned
    out[i] = to_float(v);
  }
}

}  // namespace

void read_f32(const WeightView& view, int64_t first, int64_t count, float* out) {
  DEDIT_ASSERT(view.data != nullptr && first >= 0 && first + count <= view.numel());
  switch (view.dtype) {
    case DType::kF32:
      std::memcpy(out, static_cast<const std::byte*>(view.data) + size_t(first) * 4,
                  size_t(count) * 4);
      return;
    case DType::kF16:
      return convert<Half>(view, first, count, out);
    case DType::kBF16:
      return convert<BFloat16>(view, first, count, out);
    case DType::kF64:
    case DType::kI32:
      break;
  }
  DEDIT_ASSERT(false);
}

}  // namespace dedit

#include "core/weight_view.h"

#include <cstdint>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

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

void give_back_pages(const WeightView& view) {
#if defined(__linux__)
  // Memory that is no file's would come back as zeros.
  if (!view.is_mapped) return;
  static const auto page = uintptr_t(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(view.data);
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t end = (begin + size_t(view.numel()) * size_of(view.dtype)) / page * page;
  // What fails here costs memory and nothing else.
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
#else
  static_cast<void>(view);
#endif
}

}  // namespace dedit

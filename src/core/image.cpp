#include "dedit/image.h"

#include <cstdint>
#include <sys/mman.h>

#include "core/str.h"

#include "dedit/error.h"

namespace dedit {
namespace {

/// Has whole 2 MiB of memory that is yet to be touched come as one page: by pages of 4 KiB that
/// takes longer than most annotators. Where the system does not do so nothing changes.
void ask_for_large_pages(void* memory, size_t bytes) {
  constexpr uintptr_t kPage = uintptr_t{2} << 20;
  const auto begin = (reinterpret_cast<uintptr_t>(memory) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<uintptr_t>(memory) + bytes) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace

Image::Image(int w, int h, int c, PixelType t) : width(w), height(h), channels(c), type(t) {
  if (w < 1 || h < 1 || w > kMaxSide || h > kMaxSide) {
    throw Error(ErrorKind::kUsage, str("picture size ", w, "x", h, " is outside 1..", kMaxSide));
  }
  if (c < 1 || c > 4) {
    throw Error(ErrorKind::kUsage, str("a picture has 1 to 4 channels, not ", c));
  }
  const size_t bytes = row_bytes() * size_t(h);
  data.reserve(bytes);
  ask_for_large_pages(data.data(), bytes);
  data.resize(bytes);
}

}  // namespace dedit

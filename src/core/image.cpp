#include "dedit/image.h"

#include "core/str.h"

#include "dedit/error.h"

namespace dedit {

Image::Image(int w, int h, int c, PixelType t) : width(w), height(h), channels(c), type(t) {
  if (w < 1 || h < 1 || w > kMaxSide || h > kMaxSide) {
    throw Error(ErrorKind::kUsage, str("picture size ", w, "x", h, " is outside 1..", kMaxSide));
  }
  if (c < 1 || c > 4) {
    throw Error(ErrorKind::kUsage, str("a picture has 1 to 4 channels, not ", c));
  }
  data.resize(row_bytes() * size_t(h));
}

}  // namespace dedit

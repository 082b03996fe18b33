#include <algorithm>

#include "core/str.h"

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit {

// The outermost pixel inside the box has 255 / (feather + 1); from `feather` pixels inward it is
// 255. Nothing outside the box is touched.
Image box_mask(int width, int height, int x, int y, int w, int h, int feather) {
  Image mask(width, height, 1);
  if (w < 1 || h < 1) {
    throw Error(ErrorKind::kUsage, str("mask box: ", w, "x", h, " is empty"),
                "give x,y,width,height in pixels");
  }
  if (x < 0 || y < 0 || int64_t(x) + w > width || int64_t(y) + h > height) {
    throw Error(ErrorKind::kUsage,
                str("mask box: ", x, ",", y, ",", w, ",", h, " leaves the ", width, "x", height,
                    " picture"),
                "give x,y,width,height in pixels");
  }
  const int most = (std::min(w, h) - 1) / 2;
  if (feather < 0 || feather > most) {
    throw Error(ErrorKind::kUsage,
                str("mask box: feather ", feather, " is outside 0..", most, ", which a box of ", w,
                    "x", h, " has room for (it fades inward from each side)"));
  }
  for (int j = 0; j < h; ++j) {
    uint8_t* row = mask.row<uint8_t>(y + j) + x;
    for (int i = 0; i < w; ++i) {
      const int depth = std::min({i, j, w - 1 - i, h - 1 - j});
      const int value = depth >= feather ? 255 : (255 * (depth + 1) + feather / 2) / (feather + 1);
      row[i] = uint8_t(std::max(value, 1));
    }
  }
  return mask;
}

}  // namespace dedit

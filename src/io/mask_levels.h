// A mask at the sizes of a network's levels.
#pragma once

#include <vector>

#include "dedit/image.h"

namespace dedit {

/// A mask of one level, 0 to 1, rows from the top.
struct MaskLevel {
  int rows = 0, columns = 0;
  std::vector<float> values;
};

/// Cells of grid_w / factor x grid_h / factor, then `n` - 1 times half of that, rounded up, as
/// strided convolutions go. A cell is the mean of the pixels that it stands for; beyond the mask
/// its last row and column go on. `mask8` is grey 8 bit.
std::vector<MaskLevel> mask_levels(const Image& mask8, int grid_w, int grid_h, int factor, int n);

/// The same sizes, each sampled from the pixels in straight lines between the four nearest, as the
/// web UI extension does: pixels between the samples do not count.
std::vector<MaskLevel> sampled_mask_levels(const Image& mask8, int grid_w, int grid_h, int factor,
                                           int n);

}  // namespace dedit

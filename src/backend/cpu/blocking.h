// How products are cut into blocks. Depends on the shape of one image alone: never on the number of
// threads, so that results do not, and never on the batch, so that an image in a batch is the same,
// to the bit, as that image alone.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/onednn.h"

namespace dedit::cpu {

/// Output channels of one packed block; divides `out`.
int64_t linear_block_channels(int64_t out);
int64_t conv_block_channels(int64_t out);

/// One block of input rows and where its output goes.
struct RowBlock {
  BlockShape shape;
  int64_t first_input = 0;   ///< element of x
  int64_t first_output = 0;  ///< pixel (or row) of y
  int64_t image = 0;         ///< batch row
};

/// Rows of products [rows, in] x [in, n_blocks * shape.out], one an image.
std::vector<RowBlock> linear_row_blocks(const BlockShape& shape, int64_t images, int64_t rows,
                                        int64_t n_blocks);

/// Rows of the convolution of x [B, H, W, in]; `shape` gives in, out, type, kernel and stride.
std::vector<RowBlock> conv_row_blocks(const BlockShape& shape, const Shape& x,
                                      const Conv2dParams& params, int64_t n_blocks);

/// Shapes that the weights are packed for.
BlockShape typical_linear(DType dtype, int64_t in, int64_t block_channels);
BlockShape typical_conv(DType dtype, int64_t in, int64_t block_channels, const Conv2dParams& p);

}  // namespace dedit::cpu

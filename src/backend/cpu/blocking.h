// How products are cut into blocks. Depends on shapes alone, never on the number of threads.
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
};

/// Rows of a product [rows, in] x [in, n_blocks * shape.out].
std::vector<RowBlock> linear_row_blocks(const BlockShape& shape, int64_t rows, int64_t n_blocks);

/// Rows of the convolution of x [B, H, W, in]; `shape` gives in, out, type, kernel and stride.
std::vector<RowBlock> conv_row_blocks(const BlockShape& shape, const Shape& x,
                                      const Conv2dParams& params, int64_t n_blocks);

/// Shapes that the weights are packed for.
BlockShape typical_linear(DType dtype, int64_t in, int64_t block_channels);
BlockShape typical_conv(DType dtype, int64_t in, int64_t block_channels, const Conv2dParams& p);

}  // namespace dedit::cpu

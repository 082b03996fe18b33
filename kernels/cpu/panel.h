// Matrix products y = x w' for the weights of a checkpoint as they lie in its file: blocks of 64
// output channels are transposed, and widened to the type of the products, beside the products
// that use them, a few input channels at a time. Nothing is packed at load, and weights of 16 bits
// stay 16 bits wide in memory.
//
// Products are f32, or bf16 pairs where the CPU has their dot product (elsewhere bf16 numbers are
// multiplied in f32).
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/types.h"

namespace dedit::kernels {

constexpr int64_t kPanelColumns = 64;  ///< output channels of a block

/// The rows of a block of output channels; a null row is all zeros.
struct WeightRows {
  const void* row[kPanelColumns] = {};
};

/// u = the block's weights, [panels][count][columns] with the columns of a register block; with
/// bf16 products, pairs of input channels in 32 bits, [panels][count / 2][columns].
struct PanelWeightArgs {
  const WeightRows* rows = nullptr;
  int64_t first = 0;  ///< element of each row
  int64_t count = 0;  ///< elements; even for bf16 products
  void* u = nullptr;  ///< aligned to 64 bytes
};

/// m [rows, 64] (+)= x [rows, count] u
struct PanelProductArgs {
  const void* x = nullptr;  ///< f32, or bf16 for bf16 products
  int64_t x_row = 0;        ///< elements between rows
  const void* u = nullptr;
  float* m = nullptr;  ///< [rows, 64]
  int64_t rows = 0, count = 0;
  bool add = false;  ///< to what m holds
};

}  // namespace dedit::kernels

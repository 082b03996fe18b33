// Convolutions and matrix products as one family: an implicit matrix product whose left matrix is
// gathered from an NHWC tensor, y = act(gather(x) w^T + bias + row_bias) + residual. A linear layer
// is a convolution of kernel 1 on [batch, 1, tokens, in].
#pragma once

#include "cuda/contract.h"

namespace dedit::cuda {

struct ProductArgs {
  // Left: channels of x, then of x2 where there is one.
  const void* x = nullptr;   ///< [batch, height, width, channels]
  const void* x2 = nullptr;  ///< [batch, height, width, channels2] or null
  int64_t batch = 1, height = 1, width = 1, channels = 0, channels2 = 0;
  bool upsample2x = false;  ///< the convolution sees x enlarged to twice the size (nearest)
  int kernel = 1, stride = 1, pad_top = 0, pad_left = 0;  ///< outside is zero
  int64_t out_height = 1, out_width = 1;
  // Right: [out, kernel, kernel, channels + channels2] in `type`, as pack_weights() makes it.
  const void* weights = nullptr;
  int64_t out = 0;
  // What follows the sum.
  const float* bias = nullptr;      ///< [out] or null
  const float* row_bias = nullptr;  ///< [out] an image, or null
  int64_t row_bias_step = 0;        ///< elements from one image's row to the next: 0 or out
  Activation activation = Activation::kNone;
  const void* residual = nullptr;  ///< type and shape of y, may be y; null for none
  /// y has out / 2 columns: sum[:out / 2] * gelu(sum[out / 2:]), bias added first, no row bias,
  /// activation or residual.
  bool geglu = false;
  void* y = nullptr;  ///< [batch, out_height, out_width, out]
  Type type = Type::kF32;
  // The device: which kernels may run, and how many blocks keep it busy.
  int capability = 80;
  int multiprocessors = 108;
};

/// Of the shapes alone: the pointers need not be known yet.
size_t product_workspace_bytes(const ProductArgs& args);
/// Any sizes below 2^31 pixels; fast where the channel counts of x, x2 and y are multiples of 8.
void product(Stream stream, const ProductArgs& args, void* workspace);

/// A checkpoint's [out, in, kernel, kernel] in its type -> [out, kernel, kernel, in] in `type`.
void pack_weights(Stream stream, const void* stored, Type stored_type, int64_t out, int64_t in,
                  int kernel, void* packed, Type type);

}  // namespace dedit::cuda

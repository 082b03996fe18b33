// Element-wise kernels and those that move elements.
#pragma once

#include "cuda/contract.h"

namespace dedit::cuda {

/// y = x as another type, n elements, rounded to nearest even. Arrays must not overlap.
void convert(Stream stream, const void* x, Type x_type, void* y, Type y_type, int64_t n);

/// y = activation(x) over n elements of one type. y may be x.
void activation(Stream stream, const void* x, Activation activation, void* y, Type type, int64_t n);

/// x [rows, 2 n] -> y [rows, n] = x[:n] * gelu(x[n:]), the exact gelu.
void geglu(Stream stream, const void* x, void* y, Type type, int64_t rows, int64_t n);

inline constexpr int kMaxTerms = 8;
struct Term {
  float a = 1;
  const void* x = nullptr;
  Type type = Type::kF32;
};
struct LincombArgs {
  Term terms[kMaxTerms];
  int n_terms = 0;
  void* y = nullptr;  ///< may be any x of y's type
  Type type = Type::kF32;
  int64_t n = 0;
};
/// y = sum of a_i x_i, summed in f32 in order.
void lincomb(Stream stream, const LincombArgs& args);

/// y = mask a + (1 - mask) b: mask f32 [pixels], a, b, y [batch, pixels, channels]; exactly a where
/// mask is 1, exactly b where it is 0. y may be a or b.
struct BlendArgs {
  const float* mask = nullptr;
  const void* a = nullptr;
  const void* b = nullptr;
  void* y = nullptr;
  Type type = Type::kF32;
  int64_t batch = 0, pixels = 0, channels = 0;
};
void blend(Stream stream, const BlendArgs& args);

/// x [batch, in_height, in_width, channels] -> y [batch, out_height, out_width, channels]: source
/// row floor(row * in_height / out_height), columns alike.
struct ResizeArgs {
  const void* x = nullptr;
  void* y = nullptr;
  Type type = Type::kF32;
  int64_t batch = 0, in_height = 0, in_width = 0, out_height = 0, out_width = 0, channels = 0;
};
void upsample_nearest(Stream stream, const ResizeArgs& args);

/// Each row of y is a row of a (na elements) followed by a row of b (nb elements).
void concat(Stream stream, const void* a, int64_t na, const void* b, int64_t nb, void* y, Type type,
            int64_t rows);

/// y [batch, tokens, n] = table[ids[batch, tokens]] + positions[tokens]; ids on the device, table
/// and positions f32.
void embed(Stream stream, const int32_t* ids, const float* table, const float* positions, void* y,
           Type type, int64_t batch, int64_t tokens, int64_t n);

}  // namespace dedit::cuda

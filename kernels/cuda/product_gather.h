// The left matrix of a product: where its elements lie in the NHWC tensors that it is gathered
// from. Row m is an output pixel; column k is (tap, channel), taps row by row, channels of x and
// then of x2, as the weights' rows have them.
#pragma once

#include "cuda/product.h"
#include "cuda/simt.h"

namespace dedit::cuda {

/// Division of 0 to 2^31 - 1 by a constant, without a division.
struct Divider {
  int divisor;
  uint32_t magic;  ///< 2^(32 + shift) / divisor, rounded up
  int shift;
};

inline Divider divider_of(int divisor) {
  int shift = 0;
  while ((int64_t{2} << shift) < divisor) ++shift;
  const uint64_t numerator = uint64_t{1} << (32 + shift);
  return {divisor,
          divisor == 1 ? 0 : uint32_t((numerator + uint32_t(divisor) - 1) / uint32_t(divisor)),
          shift};
}

DEDIT_HOST_DEVICE inline int divide(int n, const Divider& by) {
  if (by.divisor == 1) return n;
  return int(uint32_t(uint64_t(uint32_t(n)) * by.magic >> 32) >> by.shift);
}

struct Gather {
  int height, width;  ///< of x; the convolution sees them shifted left by `shift`
  int shift;          ///< 1 where x is enlarged, else 0
  int channels, channels2;
  int kernel, stride, pad_top, pad_left;
  Divider out_height, out_width;
  int rows;  ///< batch * out_height * out_width
};

inline Gather gather_of(const ProductArgs& a) {
  return {.height = int(a.height),
          .width = int(a.width),
          .shift = a.upsample2x ? 1 : 0,
          .channels = int(a.channels),
          .channels2 = int(a.channels2),
          .kernel = a.kernel,
          .stride = a.stride,
          .pad_top = a.pad_top,
          .pad_left = a.pad_left,
          .out_height = divider_of(int(a.out_height)),
          .out_width = divider_of(int(a.out_width)),
          .rows = int(a.batch * a.out_height * a.out_width)};
}

/// An output pixel: the first pixel of its image, and where its first tap lies (may be outside).
struct GatherRow {
  int image;  ///< in pixels of x
  int y, x;   ///< in the enlarged image
};

DEDIT_HOST_DEVICE inline GatherRow gather_row(const Gather& g, int m) {
  constexpr int kOutside = -(1 << 29);  // no tap reaches the image from there
  if (m >= g.rows) return {0, kOutside, kOutside};
  const int line = divide(m, g.out_width), image = divide(line, g.out_height);
  return {image * g.height * g.width, (line - image * g.out_height.divisor) * g.stride - g.pad_top,
          (m - line * g.out_width.divisor) * g.stride - g.pad_left};
}

/// The pixel of x (and of x2) under a tap, or -1 outside, where the left matrix is zero.
DEDIT_HOST_DEVICE inline int gather_pixel(const Gather& g, const GatherRow& row, int tap_y,
                                          int tap_x) {
  const int y = row.y + tap_y, x = row.x + tap_x;
  const bool inside = unsigned(y) < unsigned(g.height << g.shift) &&
                      unsigned(x) < unsigned(g.width << g.shift) && tap_y < g.kernel;
  return inside ? row.image + (y >> g.shift) * g.width + (x >> g.shift) : -1;
}

/// Column k of the left matrix. Past the last column tap_y is kernel.
struct GatherColumn {
  int tap_y, tap_x, channel;
};

DEDIT_HOST_DEVICE inline GatherColumn gather_column(const Gather& g, int k) {
  const int channels = g.channels + g.channels2, tap = k / channels;
  const int tap_y = tap / g.kernel;
  return {tap_y < g.kernel ? tap_y : g.kernel, tap - tap_y * g.kernel, k - tap * channels};
}

/// The other way; k or more past the last column.
DEDIT_HOST_DEVICE inline int column_index(const Gather& g, const GatherColumn& column) {
  return (column.tap_y * g.kernel + column.tap_x) * (g.channels + g.channels2) + column.channel;
}

/// Moves `step` columns on; true if that reaches another tap.
DEDIT_HOST_DEVICE inline bool gather_advance(const Gather& g, GatherColumn& column, int step) {
  const int channels = g.channels + g.channels2;
  column.channel += step;
  if (column.channel < channels) return false;
  do {
    column.channel -= channels;
    if (++column.tap_x == g.kernel) {
      column.tap_x = 0;
      column.tap_y += column.tap_y < g.kernel ? 1 : 0;
    }
  } while (column.channel >= channels);
  return true;
}

/// Element (pixel, channel) of x or x2 is at base[pixel * stride + channel].
template <class T>
struct GatherSource {
  const T* base;
  int stride, channel;
};

template <class T>
DEDIT_HOST_DEVICE GatherSource<T> gather_source(const Gather& g, const T* x, const T* x2,
                                                int channel) {
  if (channel < g.channels) return {x, g.channels, channel};
  return {x2, g.channels2, channel - g.channels};
}

/// With GEGLU a tile of `tile_n` weight rows yields tile_n / 2 columns of y: in every group of
/// `group` rows, the first half are value rows and the second half the gate rows of the same
/// columns, so that one thread holds both. `out` is the number of all weight rows; the result may
/// be out or more past the edge.
DEDIT_HOST_DEVICE inline int geglu_weight_row(int row, int group, int out) {
  const int half = group / 2, in_group = row % group;
  const int column = row / group * half + in_group % half;
  if (column >= out / 2) return out;
  return in_group < half ? column : column + out / 2;
}

}  // namespace dedit::cuda

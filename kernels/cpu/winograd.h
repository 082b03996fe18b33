// Winograd convolution F(4x4, 3x3), f32 inside: 3x3 kernels at stride 1 with a quarter of the
// multiplications.
//
// A tile of 6x6 input pixels gives 4x4 output pixels: y = A' [(G g G') * (B' d B)] A, where * sums
// over the input channels, so that the middle is 36 matrix products of [tiles, in] by [in, out].
// Sources: Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and Gray,
// arXiv:1509.09308. The points are 0, +-5/8, +-3/2 and infinity: with the textbook's 0, +-1, +-2
// rounding errors are two to five times larger.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/panel.h"
#include "cpu/types.h"

namespace dedit::kernels {

constexpr int64_t kWinogradTile = 4;       ///< output pixels on a side
constexpr int64_t kWinogradProducts = 36;  ///< matrix products: input pixels of a tile

/// Tiles of one image, in rows of ceil(width / 4); what lies outside the picture is 0.
struct WinogradPlane {
  int64_t height = 0, width = 0;
  int64_t tiles_wide() const { return (width + kWinogradTile - 1) / kWinogradTile; }
  int64_t tiles_high() const { return (height + kWinogradTile - 1) / kWinogradTile; }
  int64_t tiles() const { return tiles_wide() * tiles_high(); }
};

/// v[p] = B' d B of one tile, `count` channels for each product p.
struct WinogradInputArgs {
  const void* x = nullptr;  ///< [height, width, channels] of the tile's image, at the first channel
  WinogradPlane plane;      ///< of the output
  bool is_doubled = false;  ///< x has half the height and width; each pixel stands for 2x2
  int64_t channels = 0;     ///< of x
  int64_t count = 0;        ///< channels to transform
  int64_t tile = 0;         ///< in its image
  /// If not null, [count] each: the input is activation((x - mean) * scale + shift), 0 outside.
  const float* mean = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
  Activation activation = Activation::kNone;
  float* v = nullptr;     ///< the tile's row of the first product
  int64_t v_product = 0;  ///< elements from a product to the next
};

/// u[p] = G g G' for `count` input channels by one block of output channels, in panels.
struct WinogradWeightArgs {
  const WeightRows* rows = nullptr;  ///< [channels, 3, 3] each
  int64_t first = 0;                 ///< input channel
  int64_t count = 0;
  float* u = nullptr;  ///< [36] x [panels, count, columns]
  int64_t u_product = 0;
};

/// y = activation(A' m A + bias + row_bias) + residual for a run of tiles by one block of output
/// channels; m are the products m[p] = v[p] u[p] of kernels/cpu/panel.h.
struct WinogradOutputArgs {
  const float* m = nullptr;  ///< [36] x [tiles, 64], at the first tile
  int64_t m_product = 0;     ///< elements from a product to the next
  WinogradPlane plane;
  int64_t first_tile = 0;  ///< in its image
  int64_t tiles = 0;
  int64_t channels = 0;             ///< of y
  int64_t count = 0;                ///< channels of the block, at most 64
  const float* bias = nullptr;      ///< [64]
  const float* row_bias = nullptr;  ///< [count] or null
  const void* residual = nullptr;   ///< type and strides of y, or null; may be y itself
  void* y = nullptr;                ///< [height, width, channels] of the image, at the block
  Activation activation = Activation::kNone;
  bool streams = false;  ///< past the caches: y is larger than they are
};

}  // namespace dedit::kernels

// Products on compute capability 9.0a: which ones its kernel takes, and how blocks share out one.
//
// The left matrix is never gathered by address: a tile of 128 rows is a patch of pixels, powers of
// two wide, high and images deep, so that the copy engine brings one tap and 64 channels of it as
// one box of the NHWC tensor, shifted by the tap; its zeros outside of the tensor are the padding.
// An enlarged x (upsample2x) is four such products, one for each parity of rows and columns of y.
#pragma once

#include "cuda/product_plan.h"

namespace dedit::cuda {

/// Whether product_sm90() computes it: 16-bit types whose channel counts are multiples of 8, on a
/// device of capability 90 (which means that code for 9.0a runs).
bool product_sm90_fits(const ProductArgs& args);
/// To plan with, with sm90_shape().
std::span<const ProductTile> sm90_tiles();
/// Computes what fits; finish_split() has to follow where the plan splits the sum.
void product_sm90(Stream stream, const ProductArgs& args, const ProductPlan& plan, float* partial);

inline constexpr int kSm90Rows = 128;     ///< of a tile
inline constexpr int kSm90Channels = 64;  ///< of a step

/// The pixels of a tile, and how many tiles cover all pixels.
struct Sm90Patch {
  int log_width = 7, log_height = 0;   ///< the images of a tile are what is left of 128
  int across = 1, down = 1, deep = 1;  ///< tiles
};

/// The patch of the fewest tiles, of these the widest.
inline Sm90Patch choose_patch(int64_t images, int64_t height, int64_t width) {
  constexpr int kLogRows = 7;
  Sm90Patch best;
  int64_t fewest = -1;
  for (int w = kLogRows; w >= 0; --w) {
    for (int h = kLogRows - w; h >= 0; --h) {
      const int64_t across = divide_up(width, int64_t{1} << w);
      const int64_t down = divide_up(height, int64_t{1} << h);
      const int64_t deep = divide_up(images, int64_t{1} << (kLogRows - w - h));
      if (fewest >= 0 && across * down * deep >= fewest) continue;
      fewest = across * down * deep;
      best = {w, h, int(across), int(down), int(deep)};
    }
  }
  return best;
}

/// How the tiles of a product, the parts of its sum and the steps of a part lie.
struct Sm90Layout {
  Sm90Patch patch;
  int images, height, width;        ///< of y, or of one parity of y's rows and columns
  int out_height, out_width;        ///< of y
  int source_height, source_width;  ///< of x
  int shift;                        ///< 1 where x is enlarged, else 0
  int kernel, stride, pad_top, pad_left;
  int channels;            ///< of x
  int blocks, all_blocks;  ///< of 64 channels: of x, of x and x2
  int column_tiles = 1;    ///< set with the plan
  int parts = 1, part_steps = 1;
  int cluster = 1;  ///< blocks with neighbouring rows, which share the loads of their weights

  DEDIT_HOST_DEVICE int steps() const { return kernel * kernel * all_blocks; }
  DEDIT_HOST_DEVICE int steps_of(int part) const {
    const int left = steps() - part * part_steps;
    return left < part_steps ? left : part_steps;
  }
  DEDIT_HOST_DEVICE int row_tiles() const {
    return patch.across * patch.down * patch.deep << 2 * shift;
  }
  /// What a cluster has to do: each item is as many tiles.
  DEDIT_HOST_DEVICE int items() const {
    return (row_tiles() + cluster - 1) / cluster * column_tiles * parts;
  }
};

/// The layout of a product; a product of kernel 1 is one image of one row.
inline Sm90Layout layout_of(const ProductArgs& a) {
  const bool plain = a.kernel == 1 && a.stride == 1 && a.pad_top == 0 && a.pad_left == 0 &&
                     !a.upsample2x && a.out_height == a.height && a.out_width == a.width;
  Sm90Layout l{};
  l.shift = a.upsample2x ? 1 : 0;
  l.images = plain ? 1 : int(a.batch);
  l.out_height = plain ? 1 : int(a.out_height);
  l.out_width = plain ? int(a.batch * a.height * a.width) : int(a.out_width);
  l.source_height = plain ? 1 : int(a.height);
  l.source_width = plain ? l.out_width : int(a.width);
  l.height = (l.out_height + l.shift) >> l.shift;
  l.width = (l.out_width + l.shift) >> l.shift;
  l.kernel = a.kernel;
  l.stride = a.stride;
  l.pad_top = a.pad_top;
  l.pad_left = a.pad_left;
  l.channels = int(a.channels);
  l.blocks = int(divide_up(a.channels, kSm90Channels));
  l.all_blocks = l.blocks + int(divide_up(a.channels2, kSm90Channels));
  l.patch = choose_patch(l.images, l.height, l.width);
  l.column_tiles = l.parts = l.part_steps = l.cluster = 1;
  return l;
}

/// Rows in whole patches, columns of the left matrix in whole blocks of channels.
inline ProductShape sm90_shape(const ProductArgs& a) {
  const Sm90Layout l = layout_of(a);
  return {.m = int64_t(l.row_tiles()) * kSm90Rows,
          .n = a.out,
          .k = int64_t(l.steps()) * kSm90Channels,
          .geglu = a.geglu,
          .activated = a.activation != Activation::kNone};
}

/// A tile of a part of the sum: what a block does of an item.
struct Sm90Item {
  int column_tile;
  int image, y, x;         ///< of the patch's first pixel
  int parity_y, parity_x;  ///< 0 unless x is enlarged
  int part;
};

/// Columns first, so that blocks at work at the same time share rows and weights. The last cluster
/// may have more blocks than there are rows: they work outside of y.
DEDIT_HOST_DEVICE inline Sm90Item item_of(const Sm90Layout& l, int index, int rank) {
  const Sm90Patch& p = l.patch;
  const int row_tiles = l.row_tiles(), groups = (row_tiles + l.cluster - 1) / l.cluster;
  Sm90Item item;
  item.column_tile = index % l.column_tiles;
  index /= l.column_tiles;
  item.part = index / groups;
  int tile = index % groups * l.cluster + rank;
  const bool outside = tile >= row_tiles;
  item.x = tile % p.across << p.log_width;
  tile /= p.across;
  item.y = tile % p.down << p.log_height;
  tile /= p.down;
  item.image = outside ? l.images : tile % p.deep << (7 - p.log_width - p.log_height);
  tile /= p.deep;
  item.parity_x = tile & l.shift;
  item.parity_y = tile >> l.shift & l.shift;
  return item;
}

/// A step of the sum: a tap and 64 channels of x or x2.
struct Sm90Step {
  int tap_y, tap_x, block;
};

DEDIT_HOST_DEVICE inline Sm90Step step_of(const Sm90Layout& l, int step) {
  const int tap = step / l.all_blocks;
  return {tap / l.kernel, tap % l.kernel, step % l.all_blocks};
}
DEDIT_HOST_DEVICE inline void next_step(const Sm90Layout& l, Sm90Step& s) {
  if (++s.block < l.all_blocks) return;
  s.block = 0;
  if (++s.tap_x < l.kernel) return;
  s.tap_x = 0;
  ++s.tap_y;
}

/// The first row or column of x that a tap of a patch takes; it may be outside of x.
DEDIT_HOST_DEVICE inline int source_at(const Sm90Layout& l, int first, int parity, int tap,
                                       int pad) {
  return first * l.stride + ((parity + tap - pad) >> l.shift);
}

/// The row of y that row `row` of a tile is, or -1 outside of y.
DEDIT_HOST_DEVICE inline int output_row(const Sm90Layout& l, const Sm90Item& item, int row) {
  const Sm90Patch& p = l.patch;
  const int x = item.x + (row & ((1 << p.log_width) - 1));
  const int y = item.y + (row >> p.log_width & ((1 << p.log_height) - 1));
  const int image = item.image + (row >> (p.log_width + p.log_height));
  const int out_x = (x << l.shift) + item.parity_x, out_y = (y << l.shift) + item.parity_y;
  if (out_x >= l.out_width || out_y >= l.out_height || image >= l.images) return -1;
  return (image * l.out_height + out_y) * l.out_width + out_x;
}

}  // namespace dedit::cuda

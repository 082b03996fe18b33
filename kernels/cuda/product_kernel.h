// What the kernels of products have in common: their arguments, their share of the gather, and the
// functions by which product() reaches them.
#pragma once

#include <span>

#include "cuda/product_epilogue.h"
#include "cuda/product_gather.h"
#include "cuda/product_plan.h"

namespace dedit::cuda {

template <class T>
struct KernelArgs {
  Gather gather;
  const T* x;
  const T* x2;
  const T* weights;
  Epilogue<T> epilogue;
  float* partial;  ///< null where the sum is not split
  int k;           ///< length of a row of weights
  int steps;       ///< of the tile's k in one part of the sum
  bool geglu;      ///< finished here, with weight rows as geglu_weight_row() orders them
};

template <class T>
KernelArgs<T> kernel_args(const ProductArgs& a, const ProductPlan& plan, float* partial) {
  return {.gather = gather_of(a),
          .x = static_cast<const T*>(a.x),
          .x2 = static_cast<const T*>(a.x2),
          .weights = static_cast<const T*>(a.weights),
          .epilogue = epilogue_of<T>(a),
          .partial = plan.split > 1 ? partial : nullptr,
          .k = int(shape_of(a).k),
          .steps = plan.steps,
          .geglu = a.geglu && plan.split == 1};
}

/// The blocks of a product: tiles in x, those of one row of tiles side by side, so that blocks that
/// run together share rows of the left matrix in cache; parts of the sum in y.
inline dim3 product_blocks(const ProductArgs& a, const ProductTile& tile, int split) {
  const ProductShape s = shape_of(a);
  return dim3(unsigned(divide_up(s.m, tile.m) * divide_up(s.n, tile.n)), unsigned(split));
}

/// A block's place: its first row of the left matrix, of the weights, and its columns of the sum.
struct ProductPlace {
  int row, weight, first_k, end_k;
};

DEDIT_HOST_DEVICE inline ProductPlace product_place(int tile, int part, int tile_m, int tile_n,
                                                    int part_k, int sums, int k) {
  const int across = (sums + tile_n - 1) / tile_n, first = part * part_k;
  return {tile / across * tile_m, tile % across * tile_n, first,
          first + part_k < k ? first + part_k : k};
}

/// A thread's loads of the left matrix: kRows rows, kApart from each other, at one column, which
/// walks on. The pixels under a tap are looked up once a tap.
template <int kRows, int kApart>
struct GatherWalk {
  int first_row;
  int pixels[kRows];  ///< or -1
  GatherColumn column;

  __device__ void start(const Gather& g, int row, int k) {
    first_row = row;
    column = gather_column(g, k);
    look_up(g);
  }
  __device__ void advance(const Gather& g, int step) {
    if (gather_advance(g, column, step)) look_up(g);
  }

 private:
  __device__ void look_up(const Gather& g) {
    DEDIT_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const GatherRow row = gather_row(g, first_row + i * kApart);
      pixels[i] = gather_pixel(g, row, column.tap_y, column.tap_x);
    }
  }
};

// The kernels: the tiles that each has for a product, of which a plan names one, and its launch.
// `partial` is the workspace of split_bytes(). The second pass is the caller's.
std::span<const ProductTile> fma_tiles(const ProductArgs& args);
void product_fma(Stream stream, const ProductArgs& args, const ProductPlan& plan, float* partial);

std::span<const ProductTile> mma_tiles(const ProductArgs& args);
void product_mma(Stream stream, const ProductArgs& args, const ProductPlan& plan, float* partial);

}  // namespace dedit::cuda

// Which tile computes a product, and into how many parts its sum is split: a pure function of the
// shape, the kernel's table of tiles and the number of multiprocessors.
#pragma once

#include <algorithm>
#include <span>

#include "cuda/product.h"
#include "cuda/simt.h"

namespace dedit::cuda {

/// Block sizes that a kernel offers, and how fast they are.
struct ProductTile {
  int m, n, k;   ///< rows and columns of y of a block, columns of the left matrix of a step
  double rate;   ///< multiply-adds a clock of a multiprocessor that has enough such blocks
  int resident;  ///< blocks that fit a multiprocessor, and that `rate` takes
  bool geglu;    ///< whether the kernel can finish GEGLU in such a block
  bool activated = true;  ///< likewise an activation
  int cluster = 1;        ///< blocks that share what they load of the weights
};

struct ProductShape {
  int64_t m, n, k;  ///< rows of y, rows of the weights, their length
  bool geglu = false, activated = false;
};

inline ProductShape shape_of(const ProductArgs& a) {
  return {.m = a.batch * a.out_height * a.out_width,
          .n = a.out,
          .k = int64_t(a.kernel) * a.kernel * (a.channels + a.channels2),
          .geglu = a.geglu,
          .activated = a.activation != Activation::kNone};
}

/// Whether such a block can do what follows the sum; else only a second pass can.
inline bool can_finish(const ProductTile& tile, const ProductShape& s) {
  return (tile.geglu || !s.geglu) && (tile.activated || !s.activated);
}

struct ProductPlan {
  int tile = 0;   ///< index in the table
  int split = 1;  ///< parts of the sum; more than one need a second pass
  int steps = 0;  ///< steps of the tile's k in a part (the last one may have fewer)
};

/// What the plan is chosen by, in clocks: steps of all blocks of the busiest multiprocessor, at the
/// tile's rate or at the second-level cache's, filling and draining, and a second pass.
inline double plan_cost(const ProductShape& s, const ProductTile& tile, int split,
                        int multiprocessors) {
  constexpr double kFill = 1200;        // until the first step's data are there
  constexpr double kCacheBytes = 36;    // a clock and multiprocessor, when all of them read
  constexpr double kStoreColumns = 32;  // finished elements a clock
  constexpr double kSecondPass = 4000;  // launching it, and its own fill
  const double blocks = double(divide_up(s.m, tile.m) * divide_up(s.n, tile.n) * split);
  const double steps = double(divide_up(divide_up(s.k, tile.k), split));
  const double elements = double(tile.m) * tile.n;
  // A multiprocessor with fewer blocks than it takes to hide latencies is slower.
  const double rounds = double(divide_up(int64_t(blocks), multiprocessors));
  const double full = 0.5 + 0.5 * std::min(1.0, rounds / tile.resident);
  const double products = elements * tile.k / (tile.rate * full);
  const double busy = std::min(1.0, blocks / multiprocessors);
  const double loads = (tile.m + double(tile.n) / tile.cluster) * tile.k * 2 / kCacheBytes * busy;
  double cost = kFill + rounds * (steps * std::max(products, loads) + elements / kStoreColumns);
  if (split > 1) {
    const double bytes = double(s.m) * double(s.n) * (8.0 * split + 2);  // written and read
    cost += kSecondPass + bytes / (kCacheBytes * multiprocessors);
  }
  return cost;
}

/// The cheapest plan; among equal ones the first tile and the smallest split.
inline ProductPlan plan_product(const ProductShape& s, std::span<const ProductTile> tiles,
                                int multiprocessors) {
  constexpr int kMostParts = 32, kLeastSteps = 4;
  ProductPlan best;
  double best_cost = 0;
  for (int i = 0; i < int(tiles.size()); ++i) {
    const int64_t steps = std::max<int64_t>(1, divide_up(s.k, tiles[size_t(i)].k));
    const int64_t most = std::clamp<int64_t>(steps / kLeastSteps, 1, kMostParts);
    for (int wanted = 1; wanted <= most; ++wanted) {
      const int part = int(divide_up(steps, wanted)), split = int(divide_up(steps, part));
      if (split == 1 && !can_finish(tiles[size_t(i)], s)) continue;
      const double cost = plan_cost(s, tiles[size_t(i)], split, multiprocessors);
      if (best.steps != 0 && cost >= best_cost) continue;
      best = {.tile = i, .split = split, .steps = part};
      best_cost = cost;
    }
  }
  return best;
}

}  // namespace dedit::cuda

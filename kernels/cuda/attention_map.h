// Where attention's kernels keep their tiles, which keys a row sees, and which kernel runs over
// which grid: plain functions, for host and device.
#pragma once

#include <algorithm>

#include "cuda/attention.h"
#include "cuda/simt.h"

namespace dedit::cuda::flash {

inline constexpr int kTileKeys = 64;
inline constexpr int kWideDims = 512;  ///< the head size of the wide kernel's instances
inline constexpr int kMaxSplits = 16;

/// Of how many rows swizzled() moves pieces differently.
template <int kPieces>
inline constexpr int kSpread = kPieces % 8 == 0   ? 8
                               : kPieces % 4 == 0 ? 4
                               : kPieces % 2 == 0 ? 2
                                                  : 1;

/// Place of 16-byte piece `piece` of row `row`, in pieces, in shared memory where a row has kPieces
/// of them: any piece of 8 rows that follow a multiple of 8 lies in 8 different groups of banks, as
/// ldmatrix likes it. Rows of an odd number of pieces do so by themselves.
template <int kPieces>
DEDIT_HOST_DEVICE constexpr int swizzled(int row, int piece) {
  return row * kPieces + (piece ^ (row / (8 / kSpread<kPieces>) % kSpread<kPieces>));
}

/// swizzled(row, piece + by) from place = swizzled(row, piece), for piece 0 or 1 and even `by`: one
/// operation instead of an address of its own for each.
template <int kPieces>
DEDIT_HOST_DEVICE constexpr int moved(int place, int by) {
  return (place ^ (by % kSpread<kPieces>)) + by / kSpread<kPieces> * kSpread<kPieces>;
}

/// Keys [0, seen) are seen by a token; all of them are below `end`.
DEDIT_HOST_DEVICE constexpr int seen_keys(int token, int end, bool causal) {
  return causal && token + 1 < end ? token + 1 : end;
}

/// The kernel and its grid. Blocks are x: tiles of queries, y: heads of batch rows, z: splits.
struct Plan {
  int dims = 0;         ///< the instance's head size; its columns from head_dim on are zeros
  int rows = 0;         ///< queries of a block
  bool exact = true;    ///< dims is head_dim, and all rows may be read 16 bytes at a time
  int splits = 1;       ///< parts of the keys that different blocks work on, combined in order
  int split_tiles = 1;  ///< tiles of kTileKeys keys in a split; the last may have fewer
};

/// Shared memory that a block may have.
inline size_t shared_limit(int capability) {
  const bool small = capability == 86 || capability == 89 || capability >= 120;
  return size_t(small ? 99 : capability < 90 ? 163 : 227) << 10;
}

inline bool may_read_wide(const AttentionArgs& a) {
  int64_t bits = a.head_dim | a.q_row | a.k_row | a.v_row | a.y_row;
  bits |= a.q_batch | a.k_batch | a.v_batch | a.y_batch;
  const uintptr_t addresses = reinterpret_cast<uintptr_t>(a.q) | reinterpret_cast<uintptr_t>(a.k) |
                              reinterpret_cast<uintptr_t>(a.v) | reinterpret_cast<uintptr_t>(a.y);
  return bits % 8 == 0 && addresses % 16 == 0;
}

inline int64_t blocks_of(const AttentionArgs& a, int rows) {
  return divide_up(a.tokens_q, rows) * a.batch * a.heads;
}

// Splits the keys where the grid leaves multiprocessors idle: the number that takes the fewest
// rounds of tiles, with what the combination costs (about that of two tiles, and a quarter of one a
// split). A split has at least 4 tiles.
inline void choose_splits(const AttentionArgs& a, Plan& plan) {
  const int64_t tiles = divide_up(a.tokens_k, kTileKeys), blocks = blocks_of(a, plan.rows);
  plan.split_tiles = int(tiles);
  if (blocks * 4 > int64_t(a.multiprocessors) * 3) return;
  double best = double(tiles);
  for (int splits = 2; splits <= kMaxSplits && splits * 4 <= tiles; ++splits) {
    const int64_t each = divide_up(tiles, splits);
    const double cost =
        double(divide_up(blocks * splits, a.multiprocessors) * each) + 2 + splits * 0.25;
    if (cost >= best) continue;
    best = cost;
    plan.split_tiles = int(each);
  }
  plan.splits = int(divide_up(tiles, plan.split_tiles));
}

/// For bf16 and f16. Blocks of 128 queries read keys half as often and load fragments for twice the
/// products of those of 64, but need work for 6 warps a multiprocessor, and have no causal mask.
inline Plan make_plan(const AttentionArgs& a) {
  Plan plan;
  const int d = a.head_dim;
  const bool wide = may_read_wide(a);
  plan.exact = wide && (d == 40 || d == 64 || d == 80 || d == 128 || d == 160);
  plan.rows = 64;
  if (plan.exact) {
    plan.dims = d;
    const int64_t warps = blocks_of(a, 128) * (d == 80 ? 8 : 4);
    const bool enough = warps >= 6 * int64_t(a.multiprocessors);
    if (d <= 80 && enough && !a.causal) plan.rows = 128;
    if (d == 160 && blocks_of(a, 64) < a.multiprocessors) plan.rows = 32;
  } else if (d <= 160) {
    plan.dims = d <= 32 ? 32 : d <= 64 ? 64 : 160;
  } else {
    plan.dims = kWideDims;
    plan.exact = wide && d == kWideDims && shared_limit(a.capability) >= size_t(160) << 10;
    plan.rows = plan.exact ? 64 : 32;
  }
  choose_splits(a, plan);
  return plan;
}

}  // namespace dedit::cuda::flash

// How a group norm is laid over blocks and threads. A thread takes `width` neighbouring channels of
// one pixel at once, a row of `vectors` threads all channels of the block, the rows of a block
// pixel after pixel.
//
// Where the pixels of a few groups fit into the registers of one block, a block takes these groups
// of an image, and one launch is enough. Otherwise a block takes all channels of a slab of pixels:
// the first launch leaves the moments of its groups, the second pools them and normalises.
#pragma once

#include <algorithm>
#include <numeric>

#include "cuda/norm.h"
#include "cuda/simt.h"

namespace dedit::cuda {

struct GroupNormPlan {
  static constexpr int kThreads = 512;    ///< of a block, at most
  static constexpr int kKept = 8;         ///< loads a thread keeps in registers
  static constexpr int kAtOnce = 3;       ///< loads a thread waits for together
  static constexpr int kMaxBlocks = 256;  ///< about two a multiprocessor

  int width = 1;  ///< channels a load
  bool one_launch = false;
  int group_channels = 0;
  int channels = 0;  ///< of a block
  int groups = 0;    ///< of a block
  int vectors = 0;   ///< channels / width
  int rows = 0, threads = 0;
  int parts = 0;                   ///< blocks beside each other in the channels
  int slabs = 0, slab_pixels = 0;  ///< blocks behind each other in the pixels of an image
  int channel_team = 1;            ///< threads that sum the rows of a channel
  int group_team = 1;              ///< threads that pool the channels, or the slabs, of a group

  int64_t blocks(int64_t batch) const { return batch * parts * slabs; }
  /// Floats in shared memory: a sum and a sum of squares a channel and row.
  DEDIT_HOST_DEVICE int64_t sums() const { return 2 * int64_t(rows) * channels; }
};

namespace plan_detail {

inline int power_of_two_up_to(int64_t n, int most) {
  int p = 1;
  while (p * 2 <= n && p * 2 <= most) p *= 2;
  return p;
}

inline void divide_pixels(const GroupNormArgs& args, GroupNormPlan& plan) {
  constexpr int kThreads = GroupNormPlan::kThreads;
  const int64_t most_rows = std::max(1, kThreads / plan.vectors);
  if (plan.one_launch) {
    const int64_t turns = divide_up(args.pixels, most_rows);
    plan.rows = int(divide_up(args.pixels, turns));
    plan.slabs = 1;
    plan.slab_pixels = int(args.pixels);
    return;
  }
  plan.rows = int(std::min(args.pixels, most_rows));
  const int64_t blocks = std::max<int64_t>(1, GroupNormPlan::kMaxBlocks / args.batch);
  const int64_t turns = std::max<int64_t>(divide_up(divide_up(args.pixels, blocks), plan.rows),
                                          GroupNormPlan::kAtOnce);
  plan.slab_pixels = int(turns * plan.rows);
  plan.slabs = int(divide_up(args.pixels, plan.slab_pixels));
}

}  // namespace plan_detail

inline GroupNormPlan group_norm_plan(const GroupNormArgs& args) {
  constexpr int kThreads = GroupNormPlan::kThreads;
  GroupNormPlan plan;
  const int64_t channels = args.channels + args.channels2;
  const int wide = int(16 / size_of(args.type));
  plan.width = args.channels % wide == 0 && args.channels2 % wide == 0 ? wide : 1;
  plan.group_channels = int(channels / args.groups);
  const int fewest = std::lcm(plan.group_channels, plan.width);  // whole groups in whole loads
  const int64_t rows = kThreads / (fewest / plan.width);
  plan.one_launch = args.pixels <= rows * GroupNormPlan::kKept;
  plan.channels = plan.one_launch ? fewest : int(channels);
  plan.parts = int(channels / plan.channels);
  plan.groups = plan.channels / plan.group_channels;
  plan.vectors = plan.channels / plan.width;
  plan_detail::divide_pixels(args, plan);
  const int busy = std::min(plan.rows * plan.vectors, kThreads);
  plan.threads = int(divide_up(busy, 32)) * 32;
  // Few rows are summed by one thread a channel, many by a team.
  plan.channel_team = plan.rows <= 16 ? 1 : 8;
  plan.group_team = plan_detail::power_of_two_up_to(plan.threads / plan.groups, 32);
  return plan;
}

/// What a block takes: pixels [first, end) of an image, channels [channel, channel + its channels).
struct GroupNormPlace {
  int64_t image;
  int slab, first, end, channel;
};

DEDIT_HOST_DEVICE inline GroupNormPlace group_norm_place(const GroupNormPlan& plan, int64_t pixels,
                                                         unsigned block) {
  GroupNormPlace place{};
  const unsigned slabs = unsigned(plan.slabs), parts = unsigned(plan.parts);
  place.slab = int(block % slabs);
  place.channel = int(block / slabs % parts) * plan.channels;
  place.image = block / slabs / parts;
  place.first = place.slab * plan.slab_pixels;
  place.end =
      int(pixels) - place.first > plan.slab_pixels ? place.first + plan.slab_pixels : int(pixels);
  return place;
}

/// Where the moments of a group of a slab lie: the slabs of a group beside each other.
DEDIT_HOST_DEVICE inline int64_t moments_index(const GroupNormPlan& plan, int64_t image, int group,
                                               int64_t slab) {
  return (image * plan.groups + group) * plan.slabs + slab;
}

}  // namespace dedit::cuda

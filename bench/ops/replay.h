// Runs one operation of a network on random values, as the network would call it, and times it.
#pragma once

#include "burst.h"
#include "nn/ops.h"
#include "shapes.h"

namespace dedit::bench {

/// An op's time beside the machine's bursts.
struct Sample {
  double seconds = 0;       ///< median
  double first = 0;         ///< of the first call, which plans and allocates
  Burst burst;              ///< mean of those before and after
  size_t weight_bytes = 0;  ///< packed
};

/// Runs `shape` once to plan, then `runs` times. Before each run the caches are filled with other
/// values and the op's first input is read again: weights come from memory and activations from
/// the op before, as in a network.
Sample replay(Ctx& ctx, const OpShape& shape, int runs);

}  // namespace dedit::bench

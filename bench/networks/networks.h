// Seconds of single networks, each called again and again in this process on random values.
#pragma once

#include <string>

#include "dedit/model.h"

namespace dedit::bench {

/// How a figure is taken: the median of `samples`, each of `calls` that follow one another without
/// waiting for the device, after `warm_up` calls.
struct Repeats {
  int warm_up = 1, samples = 5, calls = 1;
};

/// Seconds of one call.
struct NetworkTimes {
  double step = 0;     ///< U-Net, the two rows of guidance, which share their sample
  double control = 0;  ///< ControlNet likewise, its hint network left out: that runs once a map
  double decode = 0, encode = 0;  ///< of one picture
};

/// `control` is a diffusers folder, `size` pixels a side. Throws Error.
NetworkTimes measure_networks(const Model& model, const std::string& control, int size,
                              const Repeats& repeats);

}  // namespace dedit::bench

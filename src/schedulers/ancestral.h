// A step that goes past its sigma and comes back by fresh noise, as ancestral sampling does.
#pragma once

#include <cmath>

namespace dedit {

struct AncestralStep {
  double down = 0;  ///< where the deterministic part ends
  double up = 0;    ///< deviation of the noise that brings the sigma back up
};

/// down^2 + up^2 = to^2, with the share of DDPM's posterior. The reference takes down from the
/// difference of squares in f32, and so do we; for long steps that is mostly rounding, and these
/// get what it stands for, to^2 / from.
inline AncestralStep ancestral_step(double from, double to) {
  constexpr double kLong = 0.1;  // f32 leaves five digits of down here, fewer beyond
  const float f2 = float(from) * float(from), t2 = float(to) * float(to);
  const float up = std::sqrt(t2 * (f2 - t2) / f2);
  if (to < kLong * from) return {.down = to * to / from, .up = up};
  return {.down = std::sqrt(t2 - up * up), .up = up};
}

}  // namespace dedit

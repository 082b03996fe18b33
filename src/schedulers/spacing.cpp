// How the reference picks N timesteps from the training range. Its numpy expressions are repeated
// with their roundings: half to even, arange's and linspace's arithmetic in double.
#include <algorithm>
#include <cmath>

#include "core/str.h"
#include "schedulers/scheduler.h"

#include "dedit/error.h"

namespace dedit {

namespace {

std::vector<double> linspace(int steps, int train_steps, bool fractional) {
  std::vector<double> t;
  const double step = steps > 1 ? double(train_steps - 1) / (steps - 1) : 0;
  for (int i = 0; i < steps; ++i) {
    const double value = i > 0 && i == steps - 1 ? train_steps - 1 : i * step;
    t.push_back(fractional ? double(float(value)) : std::nearbyint(value));
  }
  std::reverse(t.begin(), t.end());
  return t;
}

std::vector<double> leading(int steps, int train_steps, int offset) {
  const int ratio = train_steps / steps;
  std::vector<double> t;
  for (int i = steps - 1; i >= 0; --i) t.push_back(double(i) * ratio + offset);
  if (t.front() > train_steps - 1) {
    throw Error(ErrorKind::kUsage,
                str("leading spacing of ", steps, " steps with offset ", offset,
                    " starts at timestep ", t.front(), ", past the last one, ", train_steps - 1),
                "use fewer steps or --spacing trailing");
  }
  return t;
}

std::vector<double> trailing(int steps, int train_steps) {
  const double ratio = double(train_steps) / steps;
  const int count = int(std::ceil(train_steps / ratio));
  // np.arange steps by the rounded difference of its first two elements.
  const double delta = (train_steps - ratio) - train_steps;
  if (count != steps) {
    // The reference gets one element too many here: timestep -1, which it takes for the noisiest.
    throw Error(ErrorKind::kUsage,
                str("trailing spacing cannot divide ", train_steps, " timesteps into ", steps,
                    " (rounding yields ", count, ")"),
                str("use ", steps - 1, " steps or --spacing linspace"));
  }
  std::vector<double> t;
  for (int i = 0; i < steps; ++i) t.push_back(std::nearbyint(train_steps + i * delta) - 1);
  return t;
}

}  // namespace

std::vector<double> spaced_timesteps(Spacing spacing, int steps, int train_steps, int steps_offset,
                                     bool fractional) {
  switch (spacing) {
    case Spacing::kLinspace:
      return linspace(steps, train_steps, fractional);
    case Spacing::kTrailing:
      return trailing(steps, train_steps);
    case Spacing::kDefault:
    case Spacing::kLeading:
      break;
  }
  return leading(steps, train_steps, steps_offset);
}

}  // namespace dedit

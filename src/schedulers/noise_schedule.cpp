#include <cmath>

#include "schedulers/scheduler.h"

#include "dedit/error.h"

namespace dedit {

namespace {

/// Element i of torch.linspace(start, end, n) in f32: counted from the nearer end, one rounding per
/// element.
float linspace(float start, float end, int n, int i) {
  if (n == 1) return start;
  const float step = (end - start) / float(n - 1);
  return i < n / 2 ? std::fma(step, float(i), start) : std::fma(-step, float(n - 1 - i), end);
}

}  // namespace

NoiseSchedule::NoiseSchedule(const SchedulerConfig& config) {
  const bool is_scaled = config.beta_schedule == "scaled_linear";
  if (!is_scaled && config.beta_schedule != "linear") {
    throw Error(ErrorKind::kModel, "beta schedule '" + config.beta_schedule + "' is not known",
                "scaled_linear and linear are");
  }
  const double start = is_scaled ? std::sqrt(config.beta_start) : config.beta_start;
  const double end = is_scaled ? std::sqrt(config.beta_end) : config.beta_end;
  const int n = config.num_train_timesteps;
  alphas_cumprod_.reserve(size_t(n));
  double product = 1;  // torch.cumprod of f32 accumulates in double
  for (int i = 0; i < n; ++i) {
    const float root = linspace(float(start), float(end), n, i);
    const float beta = is_scaled ? root * root : root;
    product *= 1.0f - beta;
    alphas_cumprod_.push_back(float(product));
  }
}

}  // namespace dedit

#include <cmath>
#include <string_view>
#include <utility>

#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler euler;

namespace {

/// x = x0 + sigma * noise, dx/dsigma = eps.
class Euler : public Solver {
 public:
  explicit Euler(const SolverOptions& o) {
    const SigmaTable table{training_schedule(euler, o)};
    const bool is_spread = resolve_sigmas(euler, o) != Sigmas::kDefault;
    const bool is_log = is_setting(o, "interpolation_type", "log_linear");
    SolverOptions within = o;
    // Its spreads run between the ends of training, as linspace's do.
    if (is_log && is_spread) within.spacing = Spacing::kLinspace;
    SigmaLevels table_levels = sigma_levels(euler, within, table);
    if (o.sigma_values.empty() && !o.config.final_sigma_zero) {
      table_levels.final_sigma = table.front();
    }
    initial_scale_ = table_levels.initial_scale;
    sigmas_ = table_levels.sigmas();
    levels_ = std::move(table_levels.levels);
    if (is_log && !is_spread && o.sigma_values.empty()) use_log_linear(o, table);
    if (is_setting(o, "timestep_type", "continuous") && o.config.prediction == Prediction::kV) {
      for (NoiseLevel& level : levels_) level.timestep = float(0.25 * std::log(level.sigma));
    }
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    const double change = sigmas_[size_t(i) + 1] - sigmas_[size_t(i)];
    return ops::lincomb(ctx, {{1.0, &x}, {change, &estimate.eps}});
  }

 private:
  static bool is_setting(const SolverOptions& o, std::string_view name, std::string_view value) {
    const auto set = o.config.settings.find(name);
    return set != o.config.settings.end() && set->second == value;
  }

  /// Sigmas even in the logarithm over the training range, whatever the timesteps: N + 1 of them,
  /// as the reference, so that the last step ends at the least.
  void use_log_linear(const SolverOptions& o, const SigmaTable& table) {
    const size_t n = levels_.size();
    const double final_sigma = sigmas_.back();
    sigmas_ = spread_sigmas(Sigmas::kExponential, table.back(), table.front(), int(n) + 1);
    for (double& sigma : sigmas_) sigma = float(sigma);
    for (size_t i = 0; i < n; ++i) levels_[i].sigma = sigmas_[i];
    sigmas_.push_back(final_sigma);
    const double most = sigmas_.front();
    initial_scale_ =
        resolve_spacing(euler, o) == Spacing::kLeading ? std::sqrt(most * most + 1) : most;
  }
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(euler, options);
  return std::make_unique<Euler>(options);
}

}  // namespace

const Scheduler euler = {
    .name = "euler",
    .summary = "first order along sigma, one network call per step",
    .paper = "Karras et al. 2022, arXiv:2206.00364, Algorithm 2 without churn",
    .diffusers_class = "EulerDiscreteScheduler",
    .aliases = "k_euler euler_discrete",
    .order = 1,
    .karras = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .takes_sigmas = true,
    .default_spacing = Spacing::kLinspace,
    .make = make,
};

}  // namespace dedit::schedulers

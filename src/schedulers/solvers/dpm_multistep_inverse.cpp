#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "schedulers/dpm_multistep.h"
#include "schedulers/sigma_levels.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit::schedulers {

extern const Scheduler dpm_multistep_inverse;

namespace {

// Only the rules without noise: a stochastic step towards noise has a negative variance.
constexpr std::string_view kAlgorithms[] = {"dpmsolver++", "dpmsolver"};
constexpr Param kParams[] = {
    kDpmMultistepParams[0],
    kDpmMultistepParams[1],
    {.name = "algorithm_type",
     .kind = ParamKind::kChoice,
     .help = "what is extrapolated: the picture or the noise",
     .choices = kAlgorithms},
    {.name = "solver_order",
     .kind = ParamKind::kInt,
     .value = 2,
     .min = 1,
     .max = 3,
     .help = "order of the method"},
};

std::string setting(const SolverOptions& o, const char* name) {
  const auto found = o.config.settings.find(name);
  return found == o.config.settings.end() ? "" : found->second;
}

/// Timesteps of training in use: lambda, -log sigma, falls, and is not followed below
/// lambda_min_clipped.
int used_steps(const SolverOptions& o, const SigmaTable& table) {
  int n = o.config.num_train_timesteps;
  const std::string least = setting(o, "lambda_min_clipped");
  if (least.empty()) return n;
  while (n > 1 && -std::log(table.at(n - 1)) < std::strtod(least.c_str(), nullptr)) --n;
  return n;
}

/// Of N steps upwards. Leading and linspace spread N + 1 points and drop the noisiest.
std::vector<double> rising_timesteps(const SolverOptions& o, int used) {
  const Spacing spacing = resolve_spacing(dpm_multistep_inverse, o);
  std::vector<double> t;
  if (spacing == Spacing::kTrailing) {
    // The ratio is that of all of the training, as np.arange steps by it.
    const double ratio = double(o.config.num_train_timesteps) / o.steps;
    const double delta = (used - ratio) - used;
    for (int i = 0; i < int(std::ceil(used / ratio)); ++i) {
      t.push_back(std::nearbyint(used + i * delta) - 1);
    }
    if (t.back() < 0) {
      throw Error(ErrorKind::kUsage,
                  "trailing spacing cannot divide the timesteps into this many steps",
                  "use one step less or --spacing linspace");
    }
  } else {
    t = spaced_timesteps(spacing, o.steps + 1, used, o.config.steps_offset, /*fractional=*/false);
    t.erase(t.begin());
  }
  std::reverse(t.begin(), t.end());
  return t;
}

/// DPM-Solver from clean to noise: its multistep rules along rising sigmas.
class DpmMultistepInverse : public Solver {
 public:
  explicit DpmMultistepInverse(const SolverOptions& o)
      : config_(o.config), order_(int(parameter(dpm_multistep_inverse, o, "solver_order"))) {
    rule_.algorithm = parameter(dpm_multistep_inverse, o, "algorithm_type") == 0
                          ? DpmAlgorithm::kDpmPlusPlus
                          : DpmAlgorithm::kDpm;
    rule_.type = DpmType(int(parameter(dpm_multistep_inverse, o, "solver_type")));
    fill_levels(o);
    lowers_order_ = lower_order_final(o, true) && levels_.size() < 15;
    ends_first_order_ = lowers_order_ || parameter(dpm_multistep_inverse, o, "euler_at_final") != 0;
  }

  Tensor step(Ctx& ctx, int i, const Tensor& x, const Estimate& estimate, const Tensor*) override {
    outputs_.insert(outputs_.begin(), dpm_output(ctx, rule_, config_, level(i), x, estimate));
    if (int(outputs_.size()) > order_) outputs_.pop_back();
    // A spread of sigmas ends with its last one twice: nothing is left to do.
    if (level(i + 1).sigma == level(i).sigma) return x;
    const int left = int(levels_.size()) - i;
    int order = int(outputs_.size());
    if (left == 1 && ends_first_order_) order = 1;
    if (left == 2 && lowers_order_) order = std::min(order, 2);
    const DpmWeights w = dpm_weights(rule_, level(i), level(i + 1), order);
    std::vector<Term> terms = {{w.keep, &x}, {w.d0, &outputs_[0]}};
    Tensor d1, d2;
    if (order >= 2) {
      differences(ctx, i, order, d1, d2);
      terms.push_back({w.d1, &d1});
    }
    if (order == 3) terms.push_back({w.d2, &d2});
    return ops::lincomb(ctx, terms, x.dtype());
  }

 private:
  void fill_levels(const SolverOptions& o) {
    const SigmaTable table{training_schedule(dpm_multistep_inverse, o)};
    const Sigmas kind = resolve_sigmas(dpm_multistep_inverse, o);
    const int used = used_steps(o, table);
    std::vector<double> timesteps, sigmas;
    if (kind == Sigmas::kDefault || kind == Sigmas::kLu) {
      timesteps = rising_timesteps(o, used);
      for (double t : timesteps) sigmas.push_back(table.at(t));
      sigmas.push_back(table.at(used - 1));
    } else {
      sigmas = spread_sigmas(kind, table.front(), table.back(), o.steps);
      for (double s : sigmas) {
        const double t = table.timestep_of(s);
        timesteps.push_back(kind == Sigmas::kKarras ? std::nearbyint(t) : t);
      }
      sigmas.push_back(sigmas.back());
    }
    // As the reference: timesteps that rounding repeats are told once, and the walk along the
    // sigmas is so many steps shorter.
    timesteps.erase(std::unique(timesteps.begin(), timesteps.end()), timesteps.end());
    for (size_t i = 0; i <= timesteps.size(); ++i) {
      const double s = float(sigmas[i]), alpha = 1 / std::sqrt(s * s + 1);
      const double t = i < timesteps.size() ? std::trunc(timesteps[i]) : used - 1;
      levels_.push_back({.alpha = alpha, .sigma = s * alpha, .timestep = t});
    }
    final_ = levels_.back();
    levels_.pop_back();
    for (double s : sigmas) sigmas_.push_back(float(s));
    check_rising();
  }

  /// A level that occurs twice has no step size; only a spread's last one may, at its end.
  void check_rising() const {
    for (size_t i = 1; i < levels_.size(); ++i) {
      if (levels_[i].sigma > levels_[i - 1].sigma) continue;
      throw Error(ErrorKind::kUsage, "scheduler dpm_multistep_inverse: the steps repeat a timestep",
                  "use fewer steps");
    }
  }

  const NoiseLevel& level(int i) const {
    return size_t(i) < levels_.size() ? levels_[size_t(i)] : final_;
  }

  /// The papers' D1 and, for the third order, D2: differences of the last outputs over lambda.
  void differences(Ctx& ctx, int i, int order, Tensor& d1, Tensor& d2) const {
    const double h = lambda_of(level(i + 1)) - lambda_of(level(i));
    const double r0 = (lambda_of(level(i)) - lambda_of(level(i - 1))) / h;
    d1 = ops::lincomb(ctx, {{1 / r0, &outputs_[0]}, {-1 / r0, &outputs_[1]}});
    if (order < 3) return;
    const double r1 = (lambda_of(level(i - 1)) - lambda_of(level(i - 2))) / h;
    const Tensor before = ops::lincomb(ctx, {{1 / r1, &outputs_[1]}, {-1 / r1, &outputs_[2]}});
    d2 = ops::lincomb(ctx, {{1 / (r0 + r1), &d1}, {-1 / (r0 + r1), &before}});
    d1 = ops::lincomb(ctx, {{1, &d1}, {r0, &d2}});
  }

  DpmRule rule_;
  SchedulerConfig config_;
  int order_;
  NoiseLevel final_;
  bool lowers_order_ = true, ends_first_order_ = true;
  std::vector<Tensor> outputs_;  // newest first
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  check_options(dpm_multistep_inverse, options);
  const std::string algorithm = setting(options, "algorithm_type");
  if (algorithm.starts_with("sde-") && !options.params.contains("algorithm_type")) {
    throw Error(ErrorKind::kUsage,
                "scheduler dpm_multistep_inverse has no " + algorithm + ", which adds noise",
                "set algorithm_type to dpmsolver++");
  }
  if (setting(options, "use_flow_sigmas") == "true") {
    throw Error(ErrorKind::kUsage, "scheduler dpm_multistep_inverse has no sigmas of flows",
                "set use_flow_sigmas to false");
  }
  return std::make_unique<DpmMultistepInverse>(options);
}

}  // namespace

const Scheduler dpm_multistep_inverse = {
    .name = "dpm_multistep_inverse",
    .summary = "DPM-Solver++ or DPM-Solver backwards, from a picture to the noise that makes it",
    .paper = "Lu et al. 2022, arXiv:2211.01095; backwards as Song et al. 2020, arXiv:2010.02502",
    .diffusers_class = "DPMSolverMultistepInverseScheduler",
    .order = 2,
    .karras = true,
    .thresholds = true,
    .inverts = true,
    .clips_lambda = true,
    .default_spacing = Spacing::kLinspace,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

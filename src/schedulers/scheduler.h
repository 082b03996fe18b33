// Schedulers: a table of noise levels and a stepper along it. One file each; the registry is
// generated from this folder.
//
// State of a sample: x = alpha * x0 + sigma * noise. Variance-preserving solvers have
// alpha^2 + sigma^2 = 1, variance-exploding ones alpha = 1, flow models alpha = 1 - sigma.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/ops.h"

#include "dedit/param.h"

namespace dedit {

/// One network call's place: x = alpha * x0 + sigma * noise, told to the network as `timestep`
/// (fractional where the spacing makes it so).
struct NoiseLevel {
  double alpha = 1;
  double sigma = 0;
  double timestep = 0;
};

/// What the network's raw output stands for.
enum class Prediction { kEpsilon, kV, kSample };
/// How timesteps are picked from the training range (names of the reference).
enum class Spacing { kDefault, kLeading, kLinspace, kTrailing };
/// How sigmas are spread over the picked range.
enum class Sigmas { kDefault, kKarras };

/// A checkpoint's scheduler_config.json, with the reference's defaults for absent fields.
struct SchedulerConfig {
  /// "PNDMScheduler"; empty if the checkpoint names none. A setting that makes the class another
  /// method than ours is part of the name: "DPMSolverMultistepScheduler with solver_type heun".
  std::string class_name;
  int num_train_timesteps = 1000;
  double beta_start = 0.00085;
  double beta_end = 0.012;
  std::string beta_schedule = "scaled_linear";  ///< or "linear"
  Prediction prediction = Prediction::kEpsilon;
  int steps_offset = 1;
  /// Level after the last step is clean instead of timestep 0's; absent: the scheduler's own rule.
  std::optional<bool> set_alpha_to_one = false;
  bool skip_prk_steps = true;
  bool final_sigma_zero = true;  ///< sigma-table schedulers end clean, not at timestep 0's sigma
  bool lower_order_final = true;
  Spacing spacing = Spacing::kDefault;  ///< kDefault: the scheduler's own
  bool use_karras_sigmas = false;
};
/// Throws Error(kModel) for values that are not understood, naming the field and `source`.
/// Empty text gives the SD 1.x defaults above.
SchedulerConfig parse_scheduler_config(const std::string& json, const std::string& source);

/// alphas_cumprod of the training schedule, f32 values as the reference computes them.
class NoiseSchedule {
 public:
  explicit NoiseSchedule(const SchedulerConfig& config);
  int size() const { return int(alphas_cumprod_.size()); }
  float alpha_bar(int t) const { return alphas_cumprod_[size_t(t)]; }
  std::span<const float> alphas_cumprod() const { return alphas_cumprod_; }

 private:
  std::vector<float> alphas_cumprod_;
};

/// The network's estimate at a level, both ways (they agree: x = alpha x0 + sigma eps).
struct Estimate {
  Tensor x0;   // f32, the sample's shape
  Tensor eps;  // f32
};

/// Raw prediction to both estimates, at `level`, sample x. Formulas: shared for all state forms
/// through c = sqrt(alpha^2 + sigma^2).
Estimate to_estimate(Ctx&, const Tensor& x, const Tensor& raw, const NoiseLevel&, Prediction);

/// State of one run: made for a number of steps, stepped in order from any index.
class Solver {
 public:
  virtual ~Solver() = default;
  /// One per network call, in order (the reference's `timesteps`; PNDM repeats one).
  const std::vector<NoiseLevel>& levels() const { return levels_; }
  /// Spread of the start noise of a picture made from nothing (reference `init_noise_sigma`).
  double initial_scale() const { return initial_scale_; }
  /// Factor on the sample before the network sees it: 1 / sqrt(alpha^2 + sigma^2).
  double input_scale(int i) const;
  /// x at level i, its estimate -> x at level i + 1 (clean after the last). `noise` is null for
  /// deterministic solvers.
  virtual Tensor step(Ctx&, int i, const Tensor& x, const Estimate&, const Tensor* noise) = 0;
  /// Network calls per nominal step (reference `order`): strength cuts in units of it.
  virtual int calls_per_step() const { return 1; }

 protected:
  std::vector<NoiseLevel> levels_;
  double initial_scale_ = 1;
};

struct SolverOptions {
  int steps = 20;
  Spacing spacing = Spacing::kDefault;  ///< kDefault: the config's, else the scheduler's own
  Sigmas sigmas = Sigmas::kDefault;
  SchedulerConfig config;
};

/// A row of the registry.
struct Scheduler {
  std::string_view name;  ///< "ddim"
  std::string_view summary;
  std::string_view paper;
  std::string_view diffusers_class;  ///< "DDIMScheduler", as scheduler_config.json names it
  int order = 1;                     ///< order of convergence
  bool stochastic = false;           ///< draws noise in step()
  bool karras = false;               ///< understands Sigmas::kKarras
  Spacing default_spacing = Spacing::kLeading;
  std::span<const Param> params = {};
  /// Throws Error(kUsage) for step counts or options it cannot do.
  std::unique_ptr<Solver> (*make)(const SolverOptions&) = nullptr;
};

/// All schedulers, sorted by name (generated).
std::span<const Scheduler* const> all_schedulers();
/// Null if there is none of this name or diffusers class.
const Scheduler* find_scheduler(std::string_view name);
const Scheduler* find_scheduler_class(std::string_view diffusers_class);

/// x0-space helper shared by every solver: source and noise at a level (alpha*x + sigma*n).
Tensor add_noise(Ctx&, const Tensor& source, const Tensor& noise, const NoiseLevel&);

/// Timesteps of N steps as the reference's spacing rules give them (descending). Fractional only
/// for the sigma-table family's linspace. See each scheduler for which rule it uses.
std::vector<double> spaced_timesteps(Spacing, int steps, int train_steps, int steps_offset,
                                     bool fractional);

}  // namespace dedit

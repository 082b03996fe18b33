// Schedulers: a table of noise levels and a stepper along it. One file each; the registry is
// generated from this folder.
//
// State of a sample: x = alpha * x0 + sigma * noise. Variance-preserving solvers have
// alpha^2 + sigma^2 = 1, variance-exploding ones alpha = 1, flow models alpha = 1 - sigma.
#pragma once

#include <map>
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
enum class Prediction { kEpsilon, kV, kSample, kFlow };
/// How timesteps are picked from the training range (names of the reference).
enum class Spacing { kDefault, kLeading, kLinspace, kTrailing };
/// How sigmas are spread over the picked range.
/// kLu: even in log sigma with rounded timesteps (arXiv:2211.01095, by a checkpoint's setting
/// alone).
enum class Sigmas { kDefault, kKarras, kExponential, kBeta, kLu };

/// Whose defaults and rules a file is read with.
enum class ConfigUse {
  kPipeline,  ///< Stable Diffusion's pipelines: offset 1 and no clipping, whatever the file says
  kControlPipeline,  ///< pipelines with a ControlNet, which leave the file as it is
  kScheduler         ///< the named class alone, as its constructor
};

/// A checkpoint's scheduler_config.json, with the reference's defaults for absent fields.
struct SchedulerConfig {
  /// "PNDMScheduler"; empty if the checkpoint names none. A setting that makes the class another
  /// method than ours is part of the name: "UniPCMultistepScheduler with solver_p".
  std::string class_name;
  int num_train_timesteps = 1000;
  double beta_start = 0.00085;
  double beta_end = 0.012;
  /// "linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace" or "exp".
  std::string beta_schedule = "scaled_linear";
  std::vector<double> trained_betas;    ///< instead of the schedule, where not empty
  bool rescale_betas_zero_snr = false;  ///< by the schedulers that know it
  Prediction prediction = Prediction::kEpsilon;
  int steps_offset = 1;
  /// Level after the last step is clean instead of timestep 0's; absent: the scheduler's own rule.
  std::optional<bool> set_alpha_to_one = false;
  bool skip_prk_steps = true;
  bool final_sigma_zero = true;  ///< sigma-table schedulers end clean, not at timestep 0's sigma
  std::optional<bool> lower_order_final;  ///< absent: the scheduler's own rule
  Spacing spacing = Spacing::kDefault;    ///< kDefault: the scheduler's own
  Sigmas sigmas = Sigmas::kDefault;
  /// Limits on the estimate of x0, for models of pictures; by the schedulers that know them.
  bool clip_sample = false;
  double clip_sample_range = 1;
  bool thresholding = false;
  double dynamic_thresholding_ratio = 0.995;
  double sample_max_value = 1;
  /// Every scalar of the file as text: the schedulers' own parameters are found here by name.
  std::map<std::string, std::string, std::less<>> settings;
  /// What it was read from, for another class or with other settings.
  std::string text, source;
  ConfigUse use = ConfigUse::kPipeline;
};
/// Throws Error(kModel) for values that are not understood, naming the field and `source`.
/// Empty text gives the SD 1.x defaults above.
SchedulerConfig parse_scheduler_config(const std::string& json, const std::string& source,
                                       ConfigUse use = ConfigUse::kPipeline);

/// The same text read for another class, with fields of the caller's over the file's. Throws
/// Error(kModel) as above.
SchedulerConfig with_settings(const SchedulerConfig& config,
                              const std::map<std::string, std::string>& fields,
                              std::string_view class_name);
/// Whether any scheduler reads this field.
bool is_config_field(std::string_view name);

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

/// Element i of torch.linspace(start, end, n) in f32: counted from the nearer end, one rounding per
/// element.
float torch_linspace(float start, float end, int n, int i);

/// The network's estimate at a level, both ways (they agree: x = alpha x0 + sigma eps).
struct Estimate {
  Tensor x0;   // f32, the sample's shape
  Tensor eps;  // f32
};

/// Raw prediction to both estimates, at `level`, sample x. Formulas: shared for all state forms
/// through c = sqrt(alpha^2 + sigma^2); kFlow: raw = eps - x0.
Estimate to_estimate(Ctx&, const Tensor& x, const Tensor& raw, const NoiseLevel&, Prediction);

struct Scheduler;
/// x0 held to the config's clip range, or to its dynamic threshold (Saharia et al. 2022,
/// arXiv:2205.11487), where the scheduler does so. Per row of x0 [B, ...]; f32, on the host.
Tensor limit_x0(Ctx&, const Tensor& x0, const SchedulerConfig&, const Scheduler&);

/// State of one run: made for a number of steps, stepped in order from any index.
class Solver {
 public:
  virtual ~Solver() = default;
  /// One per network call, in order (the reference's `timesteps`; PNDM repeats one).
  const std::vector<NoiseLevel>& levels() const { return levels_; }
  /// Spread of the start noise of a picture made from nothing (reference `init_noise_sigma`).
  double initial_scale() const { return initial_scale_; }
  /// Factor on the sample before the network sees it: 1 / sqrt(alpha^2 + sigma^2), 1 for flows.
  double input_scale(int i) const;
  /// Whether x = (1 - sigma) x0 + sigma noise.
  bool is_flow() const { return is_flow_; }
  /// The level at which add_noise of the reference noises a source for call i. Another than
  /// levels()[i] only inside a two-call step.
  virtual NoiseLevel noising_level(int i) const { return levels_[size_t(i)]; }
  /// The reference's `sigmas`, the one after the last step included; empty where it has none.
  const std::vector<double>& sigmas() const { return sigmas_; }
  /// Whether step i takes a fresh draw of noise: where the reference draws one, even where its
  /// weight is 0.
  virtual bool draws_noise(int) const { return false; }
  /// x at level i, its estimate -> x at level i + 1 (clean after the last), of x's type. `noise` is
  /// null where draws_noise(i) is false.
  virtual Tensor step(Ctx&, int i, const Tensor& x, const Estimate&, const Tensor* noise) = 0;
  /// Network calls per nominal step (reference `order`): strength cuts in units of it.
  virtual int calls_per_step() const { return 1; }

 protected:
  std::vector<NoiseLevel> levels_;
  std::vector<double> sigmas_;
  double initial_scale_ = 1;
  bool is_flow_ = false;
};

struct SolverOptions {
  int steps = 20;
  Spacing spacing = Spacing::kDefault;  ///< kDefault: the config's, else the scheduler's own
  Sigmas sigmas = Sigmas::kDefault;     ///< kDefault: the config's
  std::vector<double> timesteps;        ///< instead of `steps` of the spacing, descending
  std::vector<double> sigma_values;     ///< the same by sigma, the last one included
  /// The scheduler's own parameters; absent: the config's, else the parameter's default.
  std::map<std::string, double, std::less<>> params;
  SchedulerConfig config;
};

/// A row of the registry.
struct Scheduler {
  std::string_view name;  ///< "ddim"
  std::string_view summary;
  std::string_view paper;
  std::string_view diffusers_class;  ///< "DDIMScheduler", as scheduler_config.json names it
  std::string_view aliases = {};     ///< other tools' names, with spaces between
  int order = 1;                     ///< order of convergence, behind exact starting values
  bool stochastic = false;           ///< draws noise in step(), with its default parameters
  bool karras = false;               ///< understands every value of Sigmas
  bool clips = false;                ///< knows clip_sample
  bool thresholds = false;           ///< knows thresholding
  bool rescales_snr = false;         ///< knows rescale_betas_zero_snr
  bool takes_timesteps = false;      ///< runs a list of timesteps
  bool takes_sigmas = false;         ///< runs a list of sigmas
  bool inverts = false;              ///< walks from clean to noise
  bool needs_flow = false;           ///< for networks trained by flow matching
  bool unit_time = false;            ///< tells the network times between 0 and 1
  bool takes_sample = true;          ///< knows networks that predict the sample
  bool clips_lambda = false;         ///< knows lambda_min_clipped
  bool takes_flow = false;           ///< knows use_flow_sigmas and flow_prediction
  Spacing default_spacing = Spacing::kLeading;
  std::span<const Param> params = {};
  /// Which of the class's settings this row is: "algorithm_type=dpmsolver++ solver_order=2".
  /// Empty: any, if no other row fits.
  std::string_view class_settings = {};
  /// Throws Error(kUsage) for step counts or options it cannot do.
  std::unique_ptr<Solver> (*make)(const SolverOptions&) = nullptr;
};

/// All schedulers, sorted by name (generated).
std::span<const Scheduler* const> all_schedulers();
/// Null if there is none of this name.
const Scheduler* find_scheduler(std::string_view name);
/// Whether a file that names this class means the scheduler.
bool is_class_of(const Scheduler&, std::string_view class_name);
/// The scheduler that a config's class and settings name; null if there is none.
const Scheduler* find_scheduler_class(const SchedulerConfig&);

/// x0-space helper shared by every solver: source and noise at a level (alpha*x + sigma*n).
Tensor add_noise(Ctx&, const Tensor& source, const Tensor& noise, const NoiseLevel&);

/// Timesteps of N steps as the reference's spacing rules give them (descending). Fractional only
/// for the sigma-table family's linspace. See each scheduler for which rule it uses.
std::vector<double> spaced_timesteps(Spacing, int steps, int train_steps, int steps_offset,
                                     bool fractional);

}  // namespace dedit

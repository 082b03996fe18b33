// Schedules without a model: which noise levels a scheduler visits, and a whole run of it on a
// denoiser of one line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dedit/image.h"
#include "dedit/tensor_value.h"

namespace dedit {

/// Which scheduler, at which noise levels. Empty: what the checkpoint's scheduler_config.json says.
struct ScheduleRequest {
  /// Name, a name of other tools ("euler_a", "DPM++ 2M SDE Karras") or a class of diffusers.
  std::string scheduler = {};
  int steps = 20;
  std::string spacing = {};     ///< "leading" "linspace" "trailing"
  std::string sigmas = {};      ///< "default" "karras" "exponential" "beta"
  std::string prediction = {};  ///< "epsilon" "v_prediction" "sample" "flow_prediction"
  /// Fields of scheduler_config.json and parameters of the scheduler, by name.
  std::map<std::string, std::string> settings = {};
  std::vector<double> timesteps = {};     ///< instead of `steps`, descending
  std::vector<double> sigma_values = {};  ///< the same by sigma, the last one included
};

/// Our name of a scheduler called as `ScheduleRequest::scheduler` may be. Throws Error(kUsage) for
/// an unknown one, naming the nearest.
std::string scheduler_name(const std::string& name);

/// A scheduler_config.json of diffusers; empty: Stable Diffusion's.
struct ScheduleSource {
  std::string json;
  std::string name = "the scheduler config";  ///< for messages
  bool as_pipeline =
      true;  ///< with the rules of Stable Diffusion's pipelines: offset 1, no clipping
};

/// Of a file, or of a checkpoint folder's scheduler/. Throws Error(kInput).
ScheduleSource load_schedule_source(const std::string& path);

/// The levels of a schedule, one per network call.
struct ScheduleTable {
  std::string label;  ///< "euler, karras, 20 steps"
  std::vector<double> timesteps;
  std::vector<double>
      alpha_bar;               ///< share of signal in the variance; alpha^2 / (alpha^2 + sigma^2)
  std::vector<double> snr_db;  ///< 20 log10(alpha / sigma)
  std::vector<double> sigmas;  ///< sigma / alpha; of flows sigma
  std::vector<double> reference_sigmas;  ///< diffusers' `sigmas`, the final one included; or empty
  double initial_scale = 1;              ///< diffusers' `init_noise_sigma`
  int calls_per_step = 1;
  /// Where the training schedule's alpha_bar crosses 1/2 (0 dB), in timesteps; of flows in
  /// thousandths of the way.
  double zero_db_timestep = 0;
  /// The training schedule, per timestep.
  std::vector<double> training_alpha_bar;
  std::vector<std::string> warnings;
};
/// Throws Error(kUsage) for what the scheduler cannot do, Error(kModel) for a broken source.
ScheduleTable schedule_table(const ScheduleRequest&, const ScheduleSource& = {});

/// Alpha-bar, SNR in dB, sigma and timestep against the step, several schedules overlaid, with the
/// 0 dB line.
Image schedule_plot(const std::vector<ScheduleTable>& tables, int width, int height);

enum class ToyStart {
  kNoise,   ///< noise * init sigma
  kNoised,  ///< the source with noise, at the first level that is run
  kInit     ///< the source as it is
};

/// A run with the denoiser x * t / (t + 1).
struct ToyRequest {
  ScheduleRequest schedule;
  ScheduleSource source;
  TensorValue noise, init;  ///< [B, ...]; `init` is not needed for kNoise
  ToyStart start = ToyStart::kNoise;
  bool scales_input = true;        ///< as pipelines do; false: the denoiser sees the sample itself
  std::optional<double> strength;  ///< the reference's rule
  int start_index = 0;             ///< steps left out; not with `strength`
  uint64_t seed = 0;               ///< of the steps' draws alone
};
struct ToyResult {
  ScheduleTable table;
  TensorValue latents;
};
ToyResult run_toy(const ToyRequest& request);

}  // namespace dedit

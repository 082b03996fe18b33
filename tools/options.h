// The options that every job (generate, img2img, inpaint, canny) shares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "log.h"
#include "schedule_options.h"
#include "streams.h"

namespace dedit::cli {

/// Controls as given: whole ones, and lists whose k-th values belong to the k-th control.
struct ControlOptions {
  std::vector<std::string> units;  ///< see parse_control
  bool normalizes = false;
  std::vector<std::string> models, images;
  std::vector<double> scales, starts, ends;
};

struct JobOptions {
  std::string image, mask;
  std::string mask_rule = "cover";
  std::string prompt, negative_prompt, prompt_file;
  std::string prompt_syntax = "plain";
  bool truncate = false;
  int clip_skip = 0;
  std::vector<std::string> embeddings;  ///< NAME=FILE
  std::string model;
  std::optional<double> strength;
  double guidance = 7.5;
  double guidance_rescale = 0;
  double pag_scale = 0, pag_adaptive_scale = 0;
  std::vector<double> guidance_schedule;
  std::string scheduler, compat;
  ScheduleOptions schedule;
  uint64_t seed = 0;
  std::string rng = "torch-cpu";
  double variation_strength = 0;
  uint64_t variation_seed = 0;
  int batch = 1;
  int width = 0;
  int height = 0;
  std::vector<int> crop;  ///< x, y, width, height, or empty
  std::string fit;
  std::string precision = "auto";
  std::string dtype, device;
  bool low_memory = false;
  int threads = 0;
  int vae_tile = 0;
  ControlOptions controls;
  std::string latents, save_latents, trace;
  bool strict = false;
  OutputOptions output;
  LogOptions log;
};

/// What a job starts from, hence which of --image, --mask, --strength it has.
enum class JobInputs {
  kNone,          ///< a new picture
  kImage,         ///< --image --strength
  kImageAndMask,  ///< and --mask --mask-rule
  kAny,           ///< all of them; the command decides
};

/// Adds them all to `app`; `options` must live as long as `app`.
void add_job_options(CLI::App& app, JobOptions& options, JobInputs inputs);

}  // namespace dedit::cli

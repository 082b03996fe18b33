// EditRequest: one edit, whatever its kind, as plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dedit/image.h"
#include "dedit/prompt.h"
#include "dedit/tensor_value.h"

namespace dedit {

/// Which latent cells a mask repaints.
enum class MaskRule {
  kCover,    ///< every cell that the mask touches
  kNearest,  ///< cells whose top-left pixel is >= 0.5: the reference's rule
};

/// Whose stream of random numbers a seed begins.
enum class Rng {
  kTorchCpu,  ///< torch's CPU generator, as the reference
  kPhilox,    ///< torch's CUDA generator, as web UIs' GPU seeds
};

/// Whose rules hold where ours differ, see the README.
enum class Compat {
  kOwn,
  /// Sizes, transparency, mask cells, pasting, prompt length, clip skip, strengths without a step,
  /// one generator for a batch.
  kDiffusers,
  kWebui,  ///< strength (one step more) and control windows (both ends inclusive)
  kComfy   ///< strength (always `steps` steps) and control windows (by timestep)
};

/// One ControlNet at work.
struct ControlUnit {
  std::string model;      ///< folder or file; empty: the checkpoint's own `controlnet-<annotator>`
  Image hint;             ///< the control map, the picture's size or its aspect
  double scale = 1;       ///< factor on its residuals; 0 changes nothing
  double start = 0;       ///< share of the steps at which it begins ...
  double end = 1;         ///< ... and ends, 0 <= start < end <= 1
  std::string annotator;  ///< what made the hint; empty: given by the user
  std::map<std::string, double> params;       ///< the annotator's
  std::map<std::string, std::string> hashes;  ///< SHA-256 of its network, by parameter name
};

/// A word that stands for learned vectors (textual inversion).
struct PromptEmbedding {
  std::string name;     ///< found in prompts as a whole word, in any case
  TensorValue vectors;  ///< [n, C], C the text encoder's width; see load_embedding
};

/// Without image: a new picture. With image: img2img by `strength`. With mask: inpainting. Controls
/// combine with each.
struct EditRequest {
  std::string prompt;
  std::string negative_prompt;
  PromptSyntax prompt_syntax = PromptSyntax::kPlain;
  bool truncate = false;  ///< cut prompts at 75 tokens, as the reference does, instead of chunking
  /// 0 or 1: the text encoder's last layer; 2: the one before, as web UIs count. Compat::kDiffusers
  /// counts from 0, so that 1 is the one before, and leaves the negative prompt as it is.
  int clip_skip = 0;
  std::vector<PromptEmbedding> embeddings;

  std::optional<Image> image;
  std::optional<Image> mask;  ///< grey, white = repaint, the image's size
  MaskRule mask_rule = MaskRule::kCover;
  double strength = 0.8;  ///< share of the steps run on an image; used with `image` only
  std::vector<ControlUnit> controls;

  Compat compat = Compat::kOwn;
  int steps = 20;
  double guidance = 7.5;  ///< <= 1 runs one branch and ignores the negative prompt
  /// Replaces `guidance`: values at equal distances from the first step to the last, straight lines
  /// between them.
  std::vector<double> guidance_schedule;
  double guidance_rescale = 0;  ///< 0..1: draws the guided prediction's deviation to the prompt's
  /// Perturbed-attention guidance: away from what the network predicts without self-attention in
  /// its middle block, by this much; costs a row of the network per part of the prompt.
  double pag_scale = 0;
  double pag_adaptive_scale = 0;  ///< taken off pag_scale for every timestep below 1000
  std::string scheduler;          ///< name, also of other tools; empty: the checkpoint's
  std::string spacing;     ///< "leading" "linspace" "trailing"; empty: checkpoint's or scheduler's
  std::string sigmas;      ///< "default" "karras" "exponential" "beta"; empty: the checkpoint's
  std::string prediction;  ///< "epsilon" "v_prediction" "sample"; empty: the checkpoint's

  /// Fields of scheduler_config.json and the scheduler's parameters ("eta"), by name.
  std::map<std::string, std::string> scheduler_settings;
  std::vector<double> timesteps;     ///< instead of `steps`, descending
  std::vector<double> sigma_values;  ///< the same by sigma, the last one included

  std::vector<uint64_t> seeds = {0};  ///< one picture each
  Rng rng = Rng::kTorchCpu;
  double variation_strength = 0;  ///< 0..1: the start noise on its way to that of another seed,
  uint64_t variation_seed = 0;    ///< this one plus the picture's index
  int width = 0;                  ///< 0: the image's, else the first hint's, else the model's
  int height = 0;
  std::optional<TensorValue> latents;  ///< replaces the draw of the start noise, [B, C, H/8, W/8]
};

/// What happened, beside the pictures.
struct EditReport {
  int steps_run = 0;
  double first_sigma = 0;
  double first_timestep = 0;
  bool is_copy = false;      ///< the strength left no step: the picture is the source
  double mask_coverage = 0;  ///< share of pixels repainted
  int64_t kept_pixels = 0;   ///< pixels with mask 0, checked to be the source's bit for bit
  /// Wall time, summed over the pictures: prompts, source and hints; all steps; decoding.
  double prepare_seconds = 0, sample_seconds = 0, decode_seconds = 0;
  std::vector<std::string> warnings;
};

struct EditResult {
  std::vector<Image> images;  ///< one per seed; each carries its recipe in text["dedit"]
  TensorValue latents;        ///< final, before decoding, in network scale (not divided), NCHW
  EditReport report;
};

}  // namespace dedit

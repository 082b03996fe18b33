// EditRequest: one edit, whatever its kind, as plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dedit/geometry.h"
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
  kWebui,  ///< strength (one step more), control windows (both ends inclusive), maps' sizes
  kComfy   ///< strength (always `steps` steps), control windows (by timestep), maps' sizes
};

/// How a control and the prompt share the say. A ControlNet of n residuals, from the shallowest (0)
/// to the middle block's (n - 1).
enum class ControlMode {
  kBalanced,    ///< every residual counts 1, in all branches
  kPrompt,      ///< residual i counts 0.825^(n - 1 - i): the web UI's "my prompt is more important"
  kControl,     ///< the same, and the negative branch gets none: its "ControlNet is more important"
  kUnbalanced,  ///< every residual counts 1, and the negative branch gets none
  kGuess,       ///< diffusers' guess mode: 10^((i - n + 1) / (n - 1)), the negative branch none
};

/// A point of a strength curve.
struct CurvePoint {
  double place = 0;   ///< 0 is the first step that is run, 1 the last
  double factor = 1;  ///< on the scale
};

/// One ControlNet at work.
struct ControlUnit {
  std::string model;  ///< folder, file, or X of the checkpoint's `controlnet-X`; empty: annotator
  /// The control map. One of the picture's size is cropped and fitted with it; any other shows what
  /// is worked on, and comes to the result's size by `fit`.
  Image hint;
  bool is_fitted = false;  ///< the hint is laid on the result already (see annotate_control)
  /// None: kCrop where the aspect is another (lint_controls says so); kStretch, the only one, for
  /// Compat::kDiffusers.
  std::optional<Fit> fit;
  double scale = 1;  ///< factor on its residuals; 0 changes nothing
  double start = 0;  ///< share of the steps at which it begins ...
  double end = 1;    ///< ... and ends, 0 <= start < end <= 1
  ControlMode mode = ControlMode::kBalanced;
  std::vector<double> layers;     ///< what each residual counts, instead of the mode's weights
  std::vector<CurvePoint> curve;  ///< straight lines between places that increase; beyond: constant
  /// Where it acts, white is 1: every residual times the mask at its level. Sizes as the hint's.
  std::optional<Image> mask;
  std::string annotator;                      ///< what made the hint; empty: given by the user
  std::map<std::string, double> params;       ///< the annotator's
  std::map<std::string, std::string> files;   ///< and the files it read
  std::map<std::string, std::string> hashes;  ///< SHA-256 of its network, by parameter name
};

/// A word that stands for learned vectors (textual inversion).
struct PromptEmbedding {
  std::string name;     ///< found in prompts as a whole word, in any case
  TensorValue vectors;  ///< [n, C], C the text encoder's width; see load_embedding
};

/// Without image: a new picture. With image: img2img by `strength`. With mask: inpainting. Controls
/// combine with each. An image that is a frame only lends a new picture its size, crop and maps.
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
  bool image_is_frame = false;
  std::optional<Image> mask;  ///< grey, white = repaint, the image's size
  MaskRule mask_rule = MaskRule::kCover;
  /// Of the picture: what is worked on, mask and maps of its size with it.
  std::optional<Rect> crop;
  /// How it comes to `width` and `height`; none: kExact, or kStretch for Compat::kWebui and, the
  /// only one, for kDiffusers.
  std::optional<Fit> fit;
  double strength = 0.8;  ///< share of the steps run on an image; used with `image` only
  std::vector<ControlUnit> controls;
  /// Where the scales of the controls at work, times their masks, sum up to more than 1, they are
  /// divided by the sum.
  bool normalize_controls = false;

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
  /// The autoencoder works in tiles of so many pixels a side, which takes less memory and changes
  /// the picture somewhat. 0: whole, or in tiles where that does not fit the device's memory (then
  /// a warning says so).
  int vae_tile = 0;
  std::optional<TensorValue> latents;  ///< replaces the draw of the start noise, [B, C, H/8, W/8]
};

/// What a control did.
struct ControlReport {
  Geometry geometry;  ///< of its map
  int n_calls = 0;    ///< network calls it acted in, for one picture, of EditReport::n_calls
  int first_call = 0, last_call = 0;  ///< 1-based
  /// Root mean square of what it added, over all residuals, rows and calls it acted in; measured
  /// with SessionOptions::measure_controls only.
  double energy = 0;
};

/// What happened, beside the pictures.
struct EditReport {
  int steps_run = 0;
  double first_sigma = 0;
  double first_timestep = 0;
  bool is_copy = false;      ///< the strength left no step: the picture is the source
  double mask_coverage = 0;  ///< share of pixels repainted
  int64_t kept_pixels = 0;   ///< pixels with mask 0, checked to be the source's bit for bit
  int n_calls = 0;           ///< of the network, for one picture
  Geometry geometry;         ///< of the picture; all 0 without one
  std::vector<ControlReport> controls;
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

// What there is: schedulers and annotators for help texts, models and recipes for `inspect`.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dedit/image.h"
#include "dedit/param.h"
#include "dedit/prompt.h"

namespace dedit {

struct SchedulerInfo {
  std::string_view name, summary, paper, diffusers_class;
  std::string_view aliases;  ///< other tools' names, with spaces between
  int order = 1;             ///< of convergence
  bool stochastic = false;   ///< draws noise in its steps, with its default parameters
  std::span<const Param> params;
};
std::vector<SchedulerInfo> schedulers();

struct AnnotatorInfo {
  std::string_view name, summary, paper;
  std::span<const Param> params;
  std::string_view control;                   ///< kind of ControlNet that takes its maps
  std::span<const std::string_view> aliases;  ///< other names it goes by
  bool is_picture_optional = false;           ///< it can work from its files alone
};
std::vector<AnnotatorInfo> annotators();

struct AnnotateResult {
  Image map;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;             ///< what was chosen
  std::map<std::string, std::string> hashes;  ///< SHA-256 of networks, by parameter name
};
/// Makes a hint: numbers and files by parameter name. Throws Error(kUsage) for an unknown kind or
/// parameter or a value out of range, Error(kInput) for a file that cannot be used.
AnnotateResult annotate(const std::string& kind, const Image& image,
                        const std::map<std::string, double>& values = {},
                        const std::map<std::string, std::string>& files = {});
/// The same of a picture that is not needed any more: it may become the map.
AnnotateResult annotate(const std::string& kind, Image&& image,
                        const std::map<std::string, double>& values = {},
                        const std::map<std::string, std::string>& files = {});

/// Checkpoint or picture as JSON text: family, layout, dtype, parameters per module; or the recipe.
std::string inspect_json(const std::string& path);
/// The same for people.
std::string inspect_text(const std::string& path);

/// One level of a network, for one picture in one pass.
struct LayerLevel {
  std::string name;         ///< module: "down_blocks.0"
  int side = 0;             ///< rows and columns of its maps; 1 where it sees none
  int64_t parameters = 0;   ///< of all its tensors
  int64_t bytes = 0;        ///< of those, as stored
  int64_t activations = 0;  ///< values that its convolutions and linear layers put out, as in
                            ///< Radosavovic et al. 2020, arXiv:2003.13678
};
struct NetworkLayers {
  std::string name;   ///< "unet", "vae", "controlnet", or the ControlNet's folder in the model's
  std::string dtype;  ///< of most of its parameters
  std::vector<LayerLevel> levels;  ///< in the order of a pass; the VAE's is encode, then decode
  LayerLevel total;
};
/// A picture size and what it is compressed to.
struct SizeRow {
  int size = 0;  ///< pixels on a side
  int latent_side = 0, latent_channels = 0;
  int64_t picture_values = 0, latent_values = 0;
  std::vector<int64_t> activations;  ///< of the networks, in their order
  double compression() const { return double(picture_values) / double(latent_values); }
};
struct LayerReport {
  int size = 0;  ///< pixels on a side of the picture that the levels' numbers are for
  std::vector<NetworkLayers> networks;
  std::vector<SizeRow> sizes;
};
/// Sizes of the networks of a checkpoint or ControlNet; reads names and shapes, no weights. Text
/// is one window of 77 tokens. Throws Error(kUsage) for a picture, Error(kModel) for networks of
/// another design than Stable Diffusion's.
LayerReport inspect_layers(const std::string& path);

struct TokensOptions {
  std::string model;      ///< its tokenizer; empty: CLIP's
  bool truncate = false;  ///< one chunk, as the reference
  PromptSyntax syntax = PromptSyntax::kPlain;
  int steps = 20;                         ///< that schedules are laid over
  std::map<std::string, int> embeddings;  ///< words that stand for so many learned vectors
};
/// What else a person should know about a prompt.
using Warnings = std::vector<std::string>;
/// {"chunks":[{"ids":[77],"weights":[77]}],"schedule":[{"until":step,"prompt":text}]}. The chunks
/// are those of the first step, of each part of a composition in turn; id 0 stands for a learned
/// vector. A composition adds "parts":[{"weight":w,"chunks":...,"schedule":...}].
std::string tokens_json(const std::string& prompt, const TokensOptions& options = {},
                        Warnings* warnings = nullptr);
/// One token a line: position, id, weight, text; under headings where there are several texts.
std::string tokens_text(const std::string& prompt, const TokensOptions& options = {},
                        Warnings* warnings = nullptr);

/// Version, and each build option as "name: value" lines.
std::string version_text();

}  // namespace dedit

// What there is: schedulers and annotators for help texts, models and recipes for `inspect`.
#pragma once

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
  std::vector<std::string> notes;  ///< what was chosen
};
/// Makes a hint: numbers and files by parameter name. Throws Error(kUsage) for an unknown kind or
/// parameter or a value out of range, Error(kInput) for a file that cannot be used.
AnnotateResult annotate(const std::string& kind, const Image& image,
                        const std::map<std::string, double>& values = {},
                        const std::map<std::string, std::string>& files = {});

/// Checkpoint or picture as JSON text: family, layout, dtype, parameters per module; or the recipe.
std::string inspect_json(const std::string& path);
/// The same for people.
std::string inspect_text(const std::string& path);

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

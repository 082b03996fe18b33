// Prompts to text states.
#pragma once

#include <string>
#include <vector>

#include "pipeline/loaded_model.h"

#include "dedit/request.h"

namespace dedit {

/// The states of one prompt's windows side by side, [1, 77 * windows, C] in the context's type.
/// Plain syntax, in windows.
Tensor encode_prompt(Ctx& ctx, const Model::Impl& model, const std::string& prompt);

/// What the network is told for one branch, step by step.
struct TextBranch {
  double weight = 1;           ///< of a composition's part
  std::vector<int> until;      ///< last step (1-based) of each entry, increasing
  std::vector<Tensor> states;  ///< one each, [1, T, C] of the network's type; all T alike
  /// Index of the entry for a step (1-based); the last one's for steps beyond. As web UIs, a text
  /// until step w is still there in the step after w: they count from 0.
  size_t entry_at(int step) const;
};

/// The branches of one request.
struct TextStates {
  std::vector<TextBranch> branches;   ///< [negative, parts of the prompt ...] or [prompt]
  std::vector<std::string> warnings;  ///< words lost, brackets without a partner

  /// Rows in the order of the branches from the `first` on, and with `twice` the prompt's parts
  /// again, [rows, T, C]; a step is 1-based. The same tensor again while the texts stay.
  Tensor context(Ctx& ctx, int step, size_t first = 0, bool twice = false);

 private:
  std::vector<size_t> last_entries_;
  Tensor last_;
};

/// Parts of the request's prompt, 1 unless it composes some. Throws Error(kUsage) for more than
/// kMaxPromptParts.
int count_prompt_parts(const EditRequest& request);
inline constexpr int kMaxPromptParts = 7;

/// Schedules are laid over `steps`. All branches get the same number of windows, the shorter ones
/// empty windows at the end. Throws Error(kUsage) or, for embeddings that do not fit the model,
/// Error(kModel).
TextStates encode_branches(Ctx& ctx, const Model::Impl& model, const EditRequest& request,
                           bool guided, int steps);

}  // namespace dedit

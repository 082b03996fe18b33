// Prompts to text states.
#pragma once

#include <string>

#include "pipeline/loaded_model.h"

namespace dedit {

/// The states of one prompt's windows side by side, [1, 77 * windows, C] in the context's type.
Tensor encode_prompt(Ctx& ctx, const Model::Impl& model, const std::string& prompt, bool truncate);

/// Text states of the branches, rows [negative, positive] or [positive].
struct TextStates {
  Tensor context;    // [1 or 2, T, C] of the network's type
  std::string lost;  ///< words cut off by truncation, for a warning
};
TextStates encode_branches(Ctx& ctx, const Model::Impl& model, const std::string& prompt,
                           const std::string& negative, bool guided, bool truncate);

}  // namespace dedit

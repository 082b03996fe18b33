// A prompt as the text encoder's windows: tokens, weights and where learned vectors go.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/clip_tokenizer.h"

#include "dedit/prompt.h"

namespace dedit {

/// A word that stands for learned vectors (Gal et al. 2022, arXiv:2208.01618).
struct EmbeddingWord {
  std::string name;
  int n_vectors = 1;
};

struct WindowOptions {
  PromptSyntax syntax = PromptSyntax::kPlain;
  bool truncate = false;  ///< one window; what does not fit is lost
  std::span<const EmbeddingWord> embeddings = {};
};

/// Learned vectors in a window.
struct Insertion {
  int position = 0;   ///< of the first vector
  int embedding = 0;  ///< index of its word
};

struct PromptWindow {
  TokenChunk tokens;  ///< id 0 where a learned vector goes
  std::vector<Insertion> insertions;
};

struct PromptWindows {
  std::vector<PromptWindow> windows;  ///< at least one
  std::string lost;                   ///< words cut off by truncation
};

/// Windows of 75 tokens between begin and end. Plain: cut where they are full. Web UI: a word that
/// would be cut off from a comma at most 20 tokens back goes to the next window with all that
/// follows the comma; BREAK begins a new one; vectors of one embedding stay together. An embedding
/// is found as a whole word, in any case; the longest name goes first.
/// Throws Error(kUsage) for weights beyond +-1000 and embeddings larger than a window.
PromptWindows make_windows(const ClipTokenizer& tokenizer, std::string_view text,
                           const WindowOptions& options = {});

}  // namespace dedit

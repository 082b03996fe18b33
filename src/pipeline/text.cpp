#include "pipeline/text.h"

#include <algorithm>
#include <vector>

namespace dedit {
namespace {

std::vector<TokenChunk> windows(const Model::Impl& m, const std::string& prompt, bool truncate,
                                size_t min_chunks) {
  std::vector<TokenChunk> chunks = m.tokenizer->chunks(prompt, truncate);
  while (chunks.size() < min_chunks) {
    chunks.push_back(m.tokenizer->chunks("", true)[0]);
  }
  return chunks;
}

// The text of what one window does not hold.
std::string lost_text(const ClipTokenizer& tokenizer, const std::string& prompt) {
  const std::vector<int32_t> ids = tokenizer.encode(prompt);
  std::string lost;
  for (size_t i = size_t(tokenizer.max_length() - 2); i < ids.size(); ++i) {
    lost += tokenizer.text_of(ids[i]);
  }
  if (lost.ends_with(' ')) lost.pop_back();
  return lost;
}

Tensor encode_windows(Ctx& ctx, const Model::Impl& m, const std::vector<TokenChunk>& chunks,
                      int64_t rows) {
  std::vector<int32_t> ids;
  for (const TokenChunk& chunk : chunks) ids.insert(ids.end(), chunk.ids.begin(), chunk.ids.end());
  Ctx text = ctx;
  text.dtype = ctx.dtype == DType::kF64 ? DType::kF64 : DType::kF32;
  const Tensor states = (*m.text_encoder)(text, ids, int64_t(chunks.size()));
  const int64_t tokens = int64_t(chunks.size()) / rows * states.dim(1);
  return ops::convert(ctx, states.reshape({rows, tokens, states.dim(2)}), ctx.dtype);
}

}  // namespace

Tensor encode_prompt(Ctx& ctx, const Model::Impl& m, const std::string& prompt, bool truncate) {
  return encode_windows(ctx, m, windows(m, prompt, truncate, 1), 1);
}

TextStates encode_branches(Ctx& ctx, const Model::Impl& m, const std::string& prompt,
                           const std::string& negative, bool guided, bool truncate) {
  std::vector<TokenChunk> chunks = windows(m, prompt, truncate, 1);
  if (guided) {
    // Both branches need the same length; the shorter is continued by empty windows.
    std::vector<TokenChunk> both = windows(m, negative, truncate, chunks.size());
    chunks = windows(m, prompt, truncate, both.size());
    both.insert(both.end(), chunks.begin(), chunks.end());
    chunks = std::move(both);
  }
  TextStates states;
  states.context = encode_windows(ctx, m, chunks, guided ? 2 : 1);
  if (truncate) states.lost = lost_text(*m.tokenizer, prompt);
  return states;
}

}  // namespace dedit

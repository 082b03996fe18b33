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

}  // namespace

Tensor encode_prompt(Ctx& ctx, const Model::Impl& m, const std::string& prompt, bool truncate,
                     int min_chunks) {
  const std::vector<TokenChunk> chunks = windows(m, prompt, truncate, size_t(min_chunks));
  std::vector<int32_t> ids;
  for (const TokenChunk& chunk : chunks) ids.insert(ids.end(), chunk.ids.begin(), chunk.ids.end());
  const auto n = int64_t(chunks.size());
  const DType network_type = ctx.dtype;
  Ctx text = ctx;
  text.dtype = network_type == DType::kF64 ? network_type : DType::kF32;
  const Tensor states = (*m.text_encoder)(text, ids, n);  // [chunks, T, C]
  return ops::convert(ctx, states.reshape({1, n * states.dim(1), states.dim(2)}), network_type);
}

TextStates encode_branches(Ctx& ctx, const Model::Impl& m, const std::string& prompt,
                           const std::string& negative, bool guided, bool truncate) {
  // Both branches need the same length; the shorter is continued by empty windows.
  size_t n = windows(m, prompt, truncate, 1).size();
  if (guided) n = std::max(n, windows(m, negative, truncate, 1).size());
  TextStates states;
  states.context = encode_prompt(ctx, m, prompt, truncate, int(n));
  if (guided) {
    const Tensor rows[] = {encode_prompt(ctx, m, negative, truncate, int(n)), states.context};
    states.context = ops::stack_rows(ctx, rows);
  }
  if (truncate) states.lost = lost_text(*m.tokenizer, prompt);
  return states;
}

}  // namespace dedit

// `dedit tokens`: how a prompt is cut and numbered.
#include <nlohmann/json.hpp>

#include "core/str.h"
#include "io/checkpoint.h"
#include "models/clip_tokenizer.h"

#include "dedit/info.h"

namespace dedit {
namespace {

std::shared_ptr<const ClipTokenizer> tokenizer_of(const std::string& model) {
  if (model.empty()) return ClipTokenizer::builtin();
  const Checkpoint checkpoint = Checkpoint::open(model);
  return checkpoint.tokenizer_dir().empty() ? ClipTokenizer::builtin()
                                            : ClipTokenizer::load(checkpoint.tokenizer_dir());
}

}  // namespace

std::string tokens_json(const std::string& prompt, const TokensOptions& options) {
  nlohmann::ordered_json chunks = nlohmann::ordered_json::array();
  for (const TokenChunk& chunk : tokenizer_of(options.model)->chunks(prompt, options.truncate)) {
    chunks.push_back({{"ids", chunk.ids}, {"weights", chunk.weights}});
  }
  return nlohmann::ordered_json{{"chunks", chunks}}.dump();
}

std::string tokens_text(const std::string& prompt, const TokensOptions& options) {
  const auto tokenizer = tokenizer_of(options.model);
  const std::vector<TokenChunk> chunks = tokenizer->chunks(prompt, options.truncate);
  std::string text;
  for (size_t c = 0; c < chunks.size(); ++c) {
    if (chunks.size() > 1) text += str("window ", c + 1, " of ", chunks.size(), "\n");
    for (size_t i = 1; i < chunks[c].ids.size() && chunks[c].ids[i] != tokenizer->end_id(); ++i) {
      text += str(i, "\t", chunks[c].ids[i], "\t", tokenizer->text_of(chunks[c].ids[i]), "\n");
    }
  }
  return text;
}

}  // namespace dedit

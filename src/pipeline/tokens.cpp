// `dedit tokens`: how a prompt is cut, weighted, scheduled and numbered.
#include <nlohmann/json.hpp>

#include "core/str.h"
#include "io/checkpoint.h"
#include "models/clip_tokenizer.h"
#include "models/prompt_syntax.h"
#include "models/prompt_windows.h"

#include "dedit/error.h"
#include "dedit/info.h"

namespace dedit {
namespace {

using Json = nlohmann::ordered_json;

std::shared_ptr<const ClipTokenizer> tokenizer_of(const std::string& model) {
  if (model.empty()) return ClipTokenizer::builtin();
  const Checkpoint checkpoint = Checkpoint::open(model);
  return checkpoint.tokenizer_dir().empty() ? ClipTokenizer::builtin()
                                            : ClipTokenizer::load(checkpoint.tokenizer_dir());
}

class Listing {
 public:
  Listing(const TokensOptions& options, Warnings* warnings)
      : options_(options), warnings_(warnings), tokenizer_(tokenizer_of(options.model)) {
    if (options.steps < 1) {
      throw Error(ErrorKind::kUsage, str("steps ", options.steps, " is below 1"));
    }
    for (const auto& [name, count] : options.embeddings) words_.push_back({name, count});
  }

  std::vector<PromptWindow> windows(const std::string& text) const {
    PromptWindows made = make_windows(
        *tokenizer_, text,
        {.syntax = options_.syntax, .truncate = options_.truncate, .embeddings = words_});
    if (warnings_ && !made.lost.empty()) {
      warnings_->push_back("the prompt is too long, this was cut off: " + made.lost);
    }
    return std::move(made.windows);
  }

  std::vector<ComposedText> parts(const std::string& prompt) const {
    if (options_.syntax == PromptSyntax::kPlain) return {{prompt, 1}};
    return split_composition(prompt);
  }

  std::vector<ScheduledText> schedule(const std::string& prompt) const {
    if (options_.syntax == PromptSyntax::kPlain) return {{options_.steps, prompt}};
    return parse_schedule(prompt, options_.steps);
  }

  void warn_of_brackets(const std::string& prompt) const {
    if (!warnings_ || options_.syntax == PromptSyntax::kPlain) return;
    const std::vector<std::string> found = bracket_warnings(prompt);
    warnings_->insert(warnings_->begin(), found.begin(), found.end());
  }

  /// One line a token.
  std::string table(const std::vector<PromptWindow>& windows) const {
    std::string text;
    for (size_t c = 0; c < windows.size(); ++c) {
      if (windows.size() > 1) text += str("window ", c + 1, " of ", windows.size(), "\n");
      const TokenChunk& chunk = windows[c].tokens;
      const auto& insertions = windows[c].insertions;
      size_t next = 0, inside = 0;  // vectors left of the embedding that is being listed
      std::string name;
      for (size_t i = 1; i < chunk.ids.size() && chunk.ids[i] != tokenizer_->end_id(); ++i) {
        if (next < insertions.size() && insertions[next].position == int(i)) {
          const EmbeddingWord& word = words_[size_t(insertions[next++].embedding)];
          name = word.name;
          inside = size_t(word.n_vectors);
        }
        text += str(i, "\t", chunk.ids[i], "\t");
        if (options_.syntax == PromptSyntax::kWebui) text += str(chunk.weights[i], "\t");
        text += str(inside > 0 ? name : tokenizer_->text_of(chunk.ids[i]), "\n");
        if (inside > 0) --inside;
      }
    }
    return text;
  }

 private:
  const TokensOptions& options_;
  Warnings* warnings_;
  std::shared_ptr<const ClipTokenizer> tokenizer_;
  std::vector<EmbeddingWord> words_;
};

Json chunks_json(const std::vector<PromptWindow>& windows) {
  Json chunks = Json::array();
  for (const PromptWindow& window : windows) {
    chunks.push_back({{"ids", window.tokens.ids}, {"weights", window.tokens.weights}});
  }
  return chunks;
}

Json schedule_json(const std::vector<ScheduledText>& schedule) {
  Json entries = Json::array();
  for (const ScheduledText& entry : schedule) {
    entries.push_back({{"until", entry.until}, {"prompt", entry.text}});
  }
  return entries;
}

std::string dump(const Json& json) {
  // A prompt may hold bytes that are not UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string tokens_json(const std::string& prompt, const TokensOptions& options,
                        Warnings* warnings) {
  const Listing listing(options, warnings);
  Json chunks = Json::array(), parts = Json::array();
  for (const ComposedText& part : listing.parts(prompt)) {
    const std::vector<ScheduledText> schedule = listing.schedule(part.text);
    const Json own = chunks_json(listing.windows(schedule.front().text));
    for (const Json& chunk : own) chunks.push_back(chunk);
    parts.push_back(
        {{"weight", part.weight}, {"chunks", own}, {"schedule", schedule_json(schedule)}});
  }
  Json json = {{"chunks", chunks}, {"schedule", schedule_json(listing.schedule(prompt))}};
  if (parts.size() > 1) json["parts"] = parts;
  listing.warn_of_brackets(prompt);
  return dump(json);
}

std::string tokens_text(const std::string& prompt, const TokensOptions& options,
                        Warnings* warnings) {
  const Listing listing(options, warnings);
  const std::vector<ComposedText> parts = listing.parts(prompt);
  std::string text;
  for (size_t p = 0; p < parts.size(); ++p) {
    if (parts.size() > 1) {
      text += str("part ", p + 1, " of ", parts.size(), ", weight ", parts[p].weight, "\n");
    }
    const std::vector<ScheduledText> schedule = listing.schedule(parts[p].text);
    for (const ScheduledText& entry : schedule) {
      if (schedule.size() > 1) text += str("until step ", entry.until, "\n");
      text += listing.table(listing.windows(entry.text));
    }
  }
  listing.warn_of_brackets(prompt);
  return text;
}

}  // namespace dedit

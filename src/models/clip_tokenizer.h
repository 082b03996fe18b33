// CLIP's byte-pair tokenizer. Reference: CLIPTokenizer of transformers 5 as diffusers uses it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dedit {

/// One text-encoder window: begin token, up to 75 tokens, end token, padding.
struct TokenChunk {
  std::vector<int32_t> ids;     // max_length entries
  std::vector<double> weights;  // one each; 1 under the plain syntax
};

class ClipTokenizer {
 public:
  /// The built-in CLIP vocabulary (49,408 tokens, pad with the end token).
  static std::shared_ptr<const ClipTokenizer> builtin();
  /// merges.txt and vocab.json, or tokenizer.json (which goes first, as in the reference), and the
  /// special tokens and max-length settings of a checkpoint's `tokenizer/`. Throws Error(kModel).
  static std::shared_ptr<const ClipTokenizer> load(const std::string& dir);

  ~ClipTokenizer();

  /// Ids of the text alone, no begin, end or padding. Ill-formed UTF-8 is read as U+FFFD. Safe to
  /// call from several threads.
  std::vector<int32_t> encode(std::string_view text) const;
  /// As many windows as the text needs, at least one; `truncate`: exactly one, the rest cut.
  std::vector<TokenChunk> chunks(std::string_view text, bool truncate) const;
  /// The token's text, "</w>" shown as a trailing space; "" for an unknown id. May be a part of a
  /// character's UTF-8: join tokens before showing them.
  std::string text_of(int32_t id) const;

  int32_t begin_id() const;
  int32_t end_id() const;
  int32_t pad_id() const;
  int max_length() const;  // 77

 private:
  struct Impl;
  explicit ClipTokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace dedit

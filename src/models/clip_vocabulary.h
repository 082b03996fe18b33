// What a CLIP tokenizer is made of, from the built-in table or from a checkpoint's files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/byte_pair.h"
#include "models/token_table.h"

namespace dedit {

/// A token found in the text as a whole, before it is split into words. (The files' "lstrip" and
/// "rstrip" make no difference: white space between words never becomes a token.)
struct AddedToken {
  std::string text;
  bool normalized = false;   ///< matched after normalisation, else before it
  bool single_word = false;  ///< not inside a longer word
};

struct ClipVocabulary {
  TokenTable tokens;
  std::vector<Merge> merges;
  std::vector<AddedToken> added;  ///< a later one replaces an earlier one of the same text
  std::string begin = "<|startoftext|>";
  std::string end = "<|endoftext|>";
  std::string unknown = "<|endoftext|>";
  std::string pad = "<|endoftext|>";
  int max_length = 77;
};

/// The merges of CLIP, "left right" a line, most frequent first.
std::string_view clip_merges_text();

ClipVocabulary builtin_clip_vocabulary();

/// Reads tokenizer.json, or vocab.json and merges.txt, and the settings beside them
/// (tokenizer_config.json, special_tokens_map.json, added_tokens.json), each with the precedence
/// that the reference gives it. Throws Error(kModel).
ClipVocabulary read_clip_vocabulary(const std::string& dir);

}  // namespace dedit

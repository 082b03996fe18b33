#include "models/clip_tokenizer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "models/byte_pair.h"
#include "models/clip_vocabulary.h"
#include "models/prompt_text.h"

namespace dedit {
namespace {

/// A stretch of text, or an added token found in it.
struct Piece {
  std::u32string_view text;
  std::optional<int32_t> id;
};

/// Finds added tokens in a text: at each position the longest, from left to right.
class AddedTokens {
 public:
  void add(std::u32string text, int32_t id, const AddedToken& settings) {
    std::vector<Entry>& same_start = entries_[text.front()];
    same_start.push_back({std::move(text), id, settings});
    std::stable_sort(same_start.begin(), same_start.end(),
                     [](const Entry& a, const Entry& b) { return a.text.size() > b.text.size(); });
  }

  std::vector<Piece> split(std::u32string_view text) const {
    std::vector<Piece> pieces;
    size_t done = 0;
    for (size_t i = 0; i < text.size();) {
      const Entry* entry = match(text.substr(i));
      if (!entry) {
        ++i;
        continue;
      }
      const size_t first = i, last = i + entry->text.size();
      i = last;
      if (entry->settings.single_word && is_inside_word(text, first, last)) continue;
      if (first > done) pieces.push_back({text.substr(done, first - done), {}});
      pieces.push_back({text.substr(first, last - first), entry->id});
      done = last;
    }
    if (done < text.size()) pieces.push_back({text.substr(done), {}});
    return pieces;
  }

 private:
  struct Entry {
    std::u32string text;
    int32_t id;
    AddedToken settings;
  };

  static bool is_inside_word(std::u32string_view text, size_t first, size_t last) {
    return (first > 0 && is_word_char(text[first - 1])) ||
           (last < text.size() && is_word_char(text[last]));
  }
  const Entry* match(std::u32string_view rest) const {
    const auto found = entries_.find(rest.front());
    if (found == entries_.end()) return nullptr;
    for (const Entry& e : found->second) {
      if (rest.starts_with(e.text)) return &e;
    }
    return nullptr;
  }

  std::unordered_map<char32_t, std::vector<Entry>> entries_;  // by first character, longest first
};

/// The first word of `rest`, which starts with no space. The reference's pattern, less its first
/// two cases (special_name):
/// <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
std::u32string_view first_word(std::u32string_view rest) {
  for (std::u32string_view contraction : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (rest.starts_with(contraction)) return rest.substr(0, contraction.size());
  }
  const CharClass kind = class_of(rest.front());
  size_t n = 1;
  while (kind != CharClass::kNumber && n < rest.size() && class_of(rest[n]) == kind) ++n;
  return rest.substr(0, n);
}

/// Length of the name if `rest` starts with a special token's text that was not taken for the token
/// (its case differed before normalisation), else 0.
size_t special_name(std::u32string_view rest) {
  if (rest.starts_with(U"<|startoftext|>")) return 11;
  if (rest.starts_with(U"<|endoftext|>")) return 9;
  return 0;
}

/// The words of normalised text, in UTF-8.
std::vector<std::string> split_words(std::u32string_view text) {
  std::vector<std::string> words;
  const auto take = [&](size_t n) {
    std::string& word = words.emplace_back();
    for (char32_t c : text.substr(0, n)) append_utf8(c, word);
    text.remove_prefix(n);
  };
  while (!text.empty()) {
    if (class_of(text.front()) == CharClass::kSpace) {
      text.remove_prefix(1);
      continue;
    }
    if (const size_t n_name = special_name(text); n_name > 0) {
      // One match of the reference's first pattern; its second one, GPT-2's, cuts it into three.
      for (size_t n : {size_t{2}, n_name, size_t{2}}) take(n);
    } else {
      take(first_word(text).size());
    }
  }
  return words;
}

}  // namespace

struct ClipTokenizer::Impl {
  explicit Impl(ClipVocabulary v)
      : bpe(v.tokens, v.merges, v.tokens.find(v.unknown)), max_length(v.max_length) {
    struct Added {
      int32_t id;
      AddedToken settings;
    };
    std::map<std::string, Added> added;
    int32_t next_id = int32_t(v.tokens.size());  // for texts that the vocabulary lacks
    for (const AddedToken& token : v.added) {
      const auto [entry, is_first] = added.try_emplace(token.text);
      entry->second.settings = token;
      if (!is_first) continue;
      const int32_t known = v.tokens.find(token.text);
      entry->second.id = known >= 0 ? known : next_id++;
      v.tokens.add(entry->second.id, token.text);
    }
    tokens = std::move(v.tokens);
    for (const auto& [text, token] : added) {
      const std::u32string pattern = from_utf8(text);
      if (token.settings.normalized) {
        normalized_tokens.add(normalize_prompt(pattern), token.id, token.settings);
      } else {
        raw_tokens.add(pattern, token.id, token.settings);
      }
    }
    begin = added.at(v.begin).id;
    end = added.at(v.end).id;
    pad = added.at(v.pad).id;
  }

  BytePairEncoder bpe;
  AddedTokens raw_tokens;         // looked for before normalisation
  AddedTokens normalized_tokens;  // ... and after
  TokenTable tokens;
  int max_length;
  int32_t begin = 0;
  int32_t end = 0;
  int32_t pad = 0;
};

ClipTokenizer::ClipTokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ClipTokenizer::~ClipTokenizer() = default;

std::shared_ptr<const ClipTokenizer> ClipTokenizer::builtin() {
  static const std::shared_ptr<const ClipTokenizer> tokenizer(
      new ClipTokenizer(std::make_unique<const Impl>(builtin_clip_vocabulary())));
  return tokenizer;
}

std::shared_ptr<const ClipTokenizer> ClipTokenizer::load(const std::string& dir) {
  return std::shared_ptr<const ClipTokenizer>(
      new ClipTokenizer(std::make_unique<const Impl>(read_clip_vocabulary(dir))));
}

std::vector<int32_t> ClipTokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  const std::u32string raw = from_utf8(text);
  for (const Piece& raw_piece : impl_->raw_tokens.split(raw)) {
    if (raw_piece.id) {
      ids.push_back(*raw_piece.id);
      continue;
    }
    const std::u32string normalized = normalize_prompt(raw_piece.text);
    for (const Piece& piece : impl_->normalized_tokens.split(normalized)) {
      if (piece.id) {
        ids.push_back(*piece.id);
        continue;
      }
      for (const std::string& word : split_words(piece.text)) impl_->bpe.encode(word, ids);
    }
  }
  return ids;
}

std::vector<TokenChunk> ClipTokenizer::chunks(std::string_view text, bool truncate) const {
  const std::vector<int32_t> ids = encode(text);
  const size_t length = size_t(impl_->max_length), room = length - 2;
  std::vector<TokenChunk> chunks;
  size_t from = 0;
  do {
    const size_t count = std::min(room, ids.size() - from);
    TokenChunk& chunk = chunks.emplace_back();
    chunk.ids.reserve(length);
    chunk.ids.push_back(impl_->begin);
    chunk.ids.insert(chunk.ids.end(), ids.begin() + int64_t(from),
                     ids.begin() + int64_t(from + count));
    chunk.ids.push_back(impl_->end);
    chunk.ids.resize(length, impl_->pad);
    chunk.weights.assign(length, 1.0);
    from += count;
  } while (!truncate && from < ids.size());
  return chunks;
}

std::string ClipTokenizer::text_of(int32_t id) const {
  return token_bytes(impl_->tokens.text(id));
}

int32_t ClipTokenizer::begin_id() const {
  return impl_->begin;
}
int32_t ClipTokenizer::end_id() const {
  return impl_->end;
}
int32_t ClipTokenizer::pad_id() const {
  return impl_->pad;
}
int ClipTokenizer::max_length() const {
  return impl_->max_length;
}

}  // namespace dedit

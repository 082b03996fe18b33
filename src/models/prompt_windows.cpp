#include "models/prompt_windows.h"

#include <algorithm>
#include <cmath>

#include "core/str.h"
#include "models/prompt_scan.h"
#include "models/prompt_syntax.h"

#include "dedit/error.h"

namespace dedit {
namespace {

constexpr double kMaxWeight = 1000;
constexpr int kCommaReach = 20;  // the web UI's default

/// A token, or all vectors of an embedding.
struct Item {
  int32_t id = 0;
  int embedding = -1;
};

std::string lower_ascii(std::string_view text) {
  std::string low(text);
  for (char& c : low) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  return low;
}

/// Fills windows one item after the other.
class WindowWriter {
 public:
  WindowWriter(const ClipTokenizer& tokenizer, const WindowOptions& options)
      : tokenizer_(tokenizer), options_(options), room_(size_t(tokenizer.max_length() - 2)) {
    const std::vector<int32_t> comma = tokenizer.encode(",");
    if (comma.size() == 1) comma_ = comma[0];
  }

  void add_text(std::string_view text, double weight) {
    if (!std::isfinite(weight) || std::abs(weight) > kMaxWeight) {
      throw Error(
          ErrorKind::kUsage,
          str("a weight in the prompt is ", weight, ", outside -", kMaxWeight, "..", kMaxWeight),
          "weights of nested brackets multiply");
    }
    for (const Item& item : items_of(text)) add(item, weight);
  }

  void end_window() { close(); }

  PromptWindows finish() {
    if (!ids_.empty() || done_.windows.empty()) close();
    if (options_.truncate && done_.windows.size() > 1) {
      for (size_t i = 1; i < done_.windows.size(); ++i) done_.lost += text_of(done_.windows[i]);
      while (done_.lost.ends_with(' ')) done_.lost.pop_back();
      done_.windows.resize(1);
    }
    return std::move(done_);
  }

 private:
  bool backtracks() const { return options_.syntax == PromptSyntax::kWebui && !options_.truncate; }

  void add(const Item& item, double weight) {
    const size_t n =
        item.embedding < 0 ? 1 : size_t(options_.embeddings[size_t(item.embedding)].n_vectors);
    if (item.embedding < 0 && item.id == comma_) {
      comma_at_ = int(ids_.size());
    } else if (backtracks() && ids_.size() == room_ && comma_at_ >= 0 &&
               int(ids_.size()) - comma_at_ <= kCommaReach) {
      move_after_comma();
    }
    if (ids_.size() + n > room_) close();
    if (item.embedding >= 0) insertions_.push_back({int(ids_.size()) + 1, item.embedding});
    ids_.insert(ids_.end(), n, item.id);
    weights_.insert(weights_.end(), n, weight);
  }

  void move_after_comma() {
    const auto keep = long(comma_at_ + 1);
    const std::vector<int32_t> ids(ids_.begin() + keep, ids_.end());
    const std::vector<double> weights(weights_.begin() + keep, weights_.end());
    std::vector<Insertion> moved;
    while (!insertions_.empty() && insertions_.back().position > keep) {
      moved.insert(moved.begin(), insertions_.back());
      moved.front().position -= int(keep);
      insertions_.pop_back();
    }
    ids_.resize(size_t(keep));
    weights_.resize(size_t(keep));
    close();
    ids_ = ids;
    weights_ = weights;
    insertions_ = moved;
  }

  void close() {
    const size_t length = room_ + 2;
    PromptWindow window;
    std::vector<int32_t>& ids = window.tokens.ids;
    ids.push_back(tokenizer_.begin_id());
    ids.insert(ids.end(), ids_.begin(), ids_.end());
    ids.push_back(tokenizer_.end_id());
    ids.resize(length, tokenizer_.pad_id());
    std::vector<double>& weights = window.tokens.weights;
    weights.push_back(1);
    weights.insert(weights.end(), weights_.begin(), weights_.end());
    weights.resize(length, 1);
    window.insertions = std::move(insertions_);
    lengths_.push_back(ids_.size());
    done_.windows.push_back(std::move(window));
    ids_.clear();
    weights_.clear();
    insertions_.clear();
    comma_at_ = -1;
  }

  /// The earliest embedding word at or after `from`, the longest of those that begin there.
  size_t find_embedding(const std::string& low, size_t from, int& which) const {
    size_t best = low.npos;
    for (size_t k = 0; k < options_.embeddings.size(); ++k) {
      const std::string name = lower_ascii(options_.embeddings[k].name);
      const size_t at = find_word(low, name, from);
      if (at == low.npos || at > best) continue;
      const bool longer = at < best || name.size() > options_.embeddings[size_t(which)].name.size();
      if (!longer) continue;
      best = at;
      which = int(k);
    }
    return best;
  }

  std::vector<Item> items_of(std::string_view text) const {
    std::vector<Item> items;
    const auto add_tokens = [&](std::string_view part) {
      for (int32_t id : tokenizer_.encode(part)) items.push_back({id, -1});
    };
    const std::string low = options_.embeddings.empty() ? "" : lower_ascii(text);
    size_t done = 0;
    int which = 0;
    for (size_t at = find_embedding(low, 0, which); at != low.npos;
         at = find_embedding(low, done, which)) {
      add_tokens(text.substr(done, at - done));
      items.push_back({0, which});
      done = at + options_.embeddings[size_t(which)].name.size();
    }
    add_tokens(text.substr(done));
    return items;
  }

  std::string text_of(const PromptWindow& window) const {
    std::string text;
    const size_t count = lengths_[size_t(&window - done_.windows.data())];
    size_t next = 0;
    for (size_t i = 1; i <= count; ++i) {
      if (next < window.insertions.size() && window.insertions[next].position == int(i)) {
        const EmbeddingWord& word =
            options_.embeddings[size_t(window.insertions[next++].embedding)];
        text += word.name + ' ';
        i += size_t(word.n_vectors) - 1;
      } else {
        text += tokenizer_.text_of(window.tokens.ids[i]);
      }
    }
    return text;
  }

  const ClipTokenizer& tokenizer_;
  const WindowOptions& options_;
  size_t room_;
  int32_t comma_ = -1;
  PromptWindows done_;
  std::vector<size_t> lengths_;  // of the windows, without begin and end
  std::vector<int32_t> ids_;     // of the window being filled
  std::vector<double> weights_;
  std::vector<Insertion> insertions_;
  int comma_at_ = -1;
};

}  // namespace

PromptWindows make_windows(const ClipTokenizer& tokenizer, std::string_view text,
                           const WindowOptions& options) {
  for (const EmbeddingWord& word : options.embeddings) {
    if (word.n_vectors > tokenizer.max_length() - 2) {
      throw Error(ErrorKind::kUsage, str("embedding ", word.name, " has ", word.n_vectors,
                                         " vectors, a window holds ", tokenizer.max_length() - 2));
    }
  }
  WindowWriter writer(tokenizer, options);
  if (options.syntax == PromptSyntax::kPlain) {
    writer.add_text(text, 1);
    return writer.finish();
  }
  for (const WeightedText& part : parse_emphasis(text)) {
    if (part.is_break) {
      writer.end_window();
    } else {
      writer.add_text(part.text, part.weight);
    }
  }
  return writer.finish();
}

}  // namespace dedit

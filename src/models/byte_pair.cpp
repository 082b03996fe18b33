#include "models/byte_pair.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "models/prompt_text.h"

namespace dedit {
namespace {

constexpr std::string_view kEndOfWord = "</w>";
constexpr size_t kMaxCachedWords = 10000;
constexpr size_t kMaxCachedBytes = 256;  // of one word

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

bool is_printable_byte(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

}  // namespace

const std::array<char32_t, 256>& byte_alphabet() {
  static const std::array<char32_t, 256> alphabet = [] {
    std::array<char32_t, 256> a{};
    char32_t next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      a[size_t(byte)] = is_printable_byte(byte) ? char32_t(byte) : next++;
    }
    return a;
  }();
  return alphabet;
}

std::string token_bytes(const std::string& token) {
  const bool ends_word = token.ends_with(kEndOfWord) && token.size() > kEndOfWord.size();
  const std::string_view body =
      std::string_view(token).substr(0, token.size() - (ends_word ? kEndOfWord.size() : 0));
  const auto& alphabet = byte_alphabet();
  std::string bytes;
  for (char32_t c : from_utf8(body)) {
    const auto at = std::find(alphabet.begin(), alphabet.end(), c);
    if (at == alphabet.end()) return token;
    bytes += char(at - alphabet.begin());
  }
  return ends_word ? bytes + ' ' : bytes;
}

BytePairEncoder::BytePairEncoder(const TokenTable& tokens, const std::vector<Merge>& merges,
                                 int32_t unknown) {
  const auto id_of = [&](const std::string& token) {
    const int32_t id = tokens.find(token);
    return id < 0 ? unknown : id;
  };
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string token;
    append_utf8(byte_alphabet()[byte], token);
    inner_[byte] = id_of(token);
    last_[byte] = id_of(token.append(kEndOfWord));
  }
  rules_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& m = merges[rank];
    rules_.insert_or_assign(pair_key(m.left, m.right), Rule{int32_t(rank), m.result});
  }
}

const BytePairEncoder::Rule* BytePairEncoder::find(int32_t left, int32_t right) const {
  const auto rule = rules_.find(pair_key(left, right));
  return rule == rules_.end() ? nullptr : &rule->second;
}

void BytePairEncoder::encode(const std::string& word, std::vector<int32_t>& out) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto hit = cache_.find(word); hit != cache_.end()) {
      out.insert(out.end(), hit->second.begin(), hit->second.end());
      return;
    }
  }
  const std::vector<int32_t> ids = merged(word);
  out.insert(out.end(), ids.begin(), ids.end());
  const std::lock_guard lock(mutex_);
  if (word.size() <= kMaxCachedBytes && cache_.size() < kMaxCachedWords) cache_.emplace(word, ids);
}

/// Always merges the pair of lowest rank, the leftmost of equals. The queue holds every pair that a
/// rule matched when it arose; entries that have gone stale are recognised when they come up.
std::vector<int32_t> BytePairEncoder::merged(const std::string& word) const {
  const int n = int(word.size());
  std::vector<int32_t> ids(word.size());
  std::vector<int> previous(word.size()), next(word.size());
  for (int i = 0; i < n; ++i) {
    const uint8_t byte = uint8_t(word[size_t(i)]);
    ids[size_t(i)] = i + 1 < n ? inner_[byte] : last_[byte];
    previous[size_t(i)] = i - 1;
    next[size_t(i)] = i + 1;
  }

  using Entry = std::tuple<int32_t, int, int32_t>;  // rank, position of the left half, result
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  const auto consider = [&](int left) {
    if (left < 0 || next[size_t(left)] >= n) return;
    const Rule* rule = find(ids[size_t(left)], ids[size_t(next[size_t(left)])]);
    if (rule) queue.emplace(rule->rank, left, rule->result);
  };
  for (int i = 0; i < n; ++i) consider(i);

  constexpr int32_t kGone = -1;
  while (!queue.empty()) {
    const auto [rank, left, result] = queue.top();
    queue.pop();
    const int right = next[size_t(left)];
    if (ids[size_t(left)] == kGone || right >= n) continue;
    const Rule* rule = find(ids[size_t(left)], ids[size_t(right)]);
    if (!rule || rule->result != result) continue;
    ids[size_t(left)] = result;
    ids[size_t(right)] = kGone;
    const int after = next[size_t(left)] = next[size_t(right)];
    if (after < n) previous[size_t(after)] = left;
    consider(previous[size_t(left)]);
    consider(left);
  }
  std::erase(ids, kGone);
  return ids;
}

}  // namespace dedit

// Byte-level byte-pair encoding of one word, with "</w>" at its end.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/token_table.h"

namespace dedit {

/// "these two tokens become that one"; the earlier in its list, the sooner it is applied.
struct Merge {
  int32_t left, right, result;
};

/// The printable character that stands for each byte in vocabulary files (GPT-2's alphabet).
const std::array<char32_t, 256>& byte_alphabet();

/// The bytes that a token stands for, "</w>" as a trailing space; unchanged if it is not written in
/// the byte alphabet.
std::string token_bytes(const std::string& token);

class BytePairEncoder {
 public:
  /// `unknown`: id for bytes that the vocabulary lacks.
  BytePairEncoder(const TokenTable& tokens, const std::vector<Merge>& merges, int32_t unknown);

  /// Appends the ids of `word`, any bytes but not empty. Safe to call from several threads.
  void encode(const std::string& word, std::vector<int32_t>& out) const;

 private:
  struct Rule {
    int32_t rank, result;
  };
  const Rule* find(int32_t left, int32_t right) const;
  std::vector<int32_t> merged(const std::string& word) const;

  std::array<int32_t, 256> inner_{};  ///< id of a byte
  std::array<int32_t, 256> last_{};   ///< id of a byte that ends its word
  std::unordered_map<uint64_t, Rule> rules_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, std::vector<int32_t>> cache_;  ///< guarded by mutex_
};

}  // namespace dedit

// TokenTable: token texts by id and ids by text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dedit {

/// A hash table with open addressing over ids: CLIP's 49,408 tokens go in within a few
/// milliseconds, which std::unordered_map does not do, and every start of the program pays for it.
class TokenTable {
 public:
  void reserve(size_t n_tokens);
  /// Ids may come in any order and leave gaps. False, and nothing done, if the text is empty or
  /// there already, or the id is in use.
  bool add(int32_t id, std::string_view text);
  /// -1 if the table lacks the text.
  int32_t find(std::string_view text) const;
  /// "" for ids that are not in use, whatever their value.
  const std::string& text(int32_t id) const;
  size_t size() const { return n_tokens_; }

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;  ///< -1: empty
  };
  size_t slot_of(std::string_view text, uint32_t hash) const;
  void rehash(size_t n_slots);

  std::vector<std::string> texts_;  // by id
  std::vector<Slot> slots_;         // a power of two of them, at most half in use
  size_t n_tokens_ = 0;
};

}  // namespace dedit

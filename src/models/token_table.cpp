#include "models/token_table.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace dedit {
namespace {

uint32_t hash_of(std::string_view text) {
  return uint32_t(std::hash<std::string_view>{}(text));
}

}  // namespace

void TokenTable::reserve(size_t n_tokens) {
  texts_.reserve(n_tokens);
  if (2 * n_tokens > slots_.size()) rehash(std::bit_ceil(2 * n_tokens));
}

bool TokenTable::add(int32_t id, std::string_view text) {
  if (text.empty() || id < 0 || !this->text(id).empty()) return false;
  if (2 * (n_tokens_ + 1) > slots_.size()) rehash(std::max<size_t>(64, 2 * slots_.size()));
  const uint32_t hash = hash_of(text);
  Slot& slot = slots_[slot_of(text, hash)];
  if (slot.id >= 0) return false;
  slot = {hash, id};
  if (size_t(id) >= texts_.size()) texts_.resize(size_t(id) + 1);
  texts_[size_t(id)] = text;
  ++n_tokens_;
  return true;
}

int32_t TokenTable::find(std::string_view text) const {
  return slots_.empty() ? -1 : slots_[slot_of(text, hash_of(text))].id;
}

const std::string& TokenTable::text(int32_t id) const {
  static const std::string none;
  return id < 0 || size_t(id) >= texts_.size() ? none : texts_[size_t(id)];
}

/// The slot that holds `text`, or the empty one where it belongs.
size_t TokenTable::slot_of(std::string_view text, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].id >= 0 && (slots_[i].hash != hash || texts_[size_t(slots_[i].id)] != text)) {
    i = (i + 1) & mask;
  }
  return i;
}

void TokenTable::rehash(size_t n_slots) {
  std::vector<Slot> old(n_slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id >= 0) slots_[slot_of(texts_[size_t(slot.id)], slot.hash)] = slot;
  }
}

}  // namespace dedit

#include <algorithm>

#include "core/sha256.h"
#include "io/checkpoint.h"

namespace dedit {
namespace {

using Files = std::vector<std::shared_ptr<const SafetensorsFile>>;

void update(Sha256& hash, const SafetensorsFile& file) {
  constexpr size_t kBlocks = 64, kBlockBytes = 4096;
  hash.update(file.header());
  const std::span<const std::byte> data = file.data();
  if (data.size() <= kBlocks * kBlockBytes) return hash.update(data);
  const size_t last = data.size() - kBlockBytes;
  for (size_t i = 0; i < kBlocks; ++i) {
    hash.update(data.subspan(last * i / (kBlocks - 1), kBlockBytes));
  }
}

std::string hash_of(const Files& files) {
  Sha256 hash;
  for (const auto& file : files) update(hash, *file);
  return hash.hex();
}

}  // namespace

std::string fingerprint(const Component& component) {
  return hash_of(component.files);
}

std::string fingerprint(const Checkpoint& checkpoint) {
  Files files;
  for (const auto& [name, component] : checkpoint.components()) {
    for (const auto& file : component.files) {  // a single file serves all components
      if (std::ranges::find(files, file) == files.end()) files.push_back(file);
    }
  }
  return hash_of(files);
}

}  // namespace dedit

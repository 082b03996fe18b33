// safetensors files: reading by mmap with every bound checked, and writing.
// Format: 8-byte little-endian header length, JSON header, raw data (huggingface/safetensors).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/weight_view.h"

namespace dedit {

class SafetensorsFile {
 public:
  /// Throws Error(kModel) naming what is wrong: too
  /// short, header longer than the file, not JSON, unknown dtype, offsets that overlap, leave
  /// the file or do not fit the shape.
  static std::shared_ptr<const SafetensorsFile> open(const std::string& path);

  const std::string& path() const { return path_; }
  /// Tensors of dtypes F32, F16, BF16; others (I64 position ids ...) are kept in `other()`.
  const std::map<std::string, WeightView, std::less<>>& tensors() const { return tensors_; }
  /// Names of tensors in types that no network reads.
  const std::vector<std::string>& other() const { return other_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

 private:
  SafetensorsFile() = default;
  std::string path_;
  void* mapping_ = nullptr;
  size_t bytes_ = 0;
  std::map<std::string, WeightView, std::less<>> tensors_;
  std::vector<std::string> other_;
  std::map<std::string, std::string> metadata_;
};

struct NamedTensor {
  std::string name;
  Shape shape;
  DType dtype = DType::kF32;
  const void* data = nullptr;
};

/// Writes a file whole or not at all. Throws Error(kOutput).
void save_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace dedit

// safetensors files: reading by mmap with every bound checked, and writing.
// Format: 8-byte little-endian header length, JSON header, raw data (huggingface/safetensors).
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/weight_view.h"

namespace dedit {

class SafetensorsFile {
 public:
  /// Maps the file and reads its header; no tensor data is touched. Throws Error(kModel) naming the
  /// file and the tensor if it is missing, too short, something else (a picture, a PyTorch pickle,
  /// text), cut off, or if its header is longer than the file or 100 MB, not JSON, holds a name
  /// twice, an unknown type, or offsets that overlap, leave gaps or do not fit the shape.
  static std::shared_ptr<const SafetensorsFile> open(const std::string& path);

  const std::string& path() const { return path_; }
  /// Tensors of types F32, F16 and BF16 with at most four dimensions.
  const std::map<std::string, WeightView, std::less<>>& tensors() const { return tensors_; }
  /// The others (I64 position ids ...): name and type as in the file.
  const std::map<std::string, std::string, std::less<>>& other() const { return other_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// The JSON text of the header, as stored.
  std::string_view header() const;
  /// All bytes after the header.
  std::span<const std::byte> data() const;

  ~SafetensorsFile() = default;
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

 private:
  SafetensorsFile() = default;
  std::string path_;
  std::shared_ptr<const std::byte> mapping_;  // the views share it: they may outlive the file
  size_t bytes_ = 0;
  size_t header_bytes_ = 0;
  std::map<std::string, WeightView, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> other_;
  std::map<std::string, std::string> metadata_;
};

struct NamedTensor {
  std::string name;
  Shape shape;
  DType dtype = DType::kF32;
  const void* data = nullptr;
};

/// Writes a file whole or not at all, tensors in the given order. Names must differ.
/// Throws Error(kOutput).
void save_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace dedit

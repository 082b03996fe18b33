// Finds the weight files of one network in its folder: one file, shards with an index, variants.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/safetensors.h"

namespace dedit {

/// The tensors of a folder or file under the names they are stored with.
struct WeightSet {
  std::map<std::string, WeightView, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> other;  ///< types no network reads: name, type
  std::vector<std::shared_ptr<const SafetensorsFile>> files;
};

/// Tensors of one file.
WeightSet open_weight_file(const std::string& path);

/// Tensors of `folder`, looked for as diffusion_pytorch_model or model: `.safetensors`, its shards
/// by `.safetensors.index.json`, then the same in the variants fp16 and bf16.
/// Throws Error(kModel) naming what was looked for, or a missing shard.
WeightSet open_weight_folder(const std::filesystem::path& folder);

/// False where the file system does not say.
bool is_file(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);

/// A small text file such as config.json; "" if there is none. Throws Error(kModel) if it cannot be
/// read or is over 64 MiB.
std::string read_small_text(const std::filesystem::path& path);

/// `_class_name` of a config.json's text; "" if it has none.
std::string class_name(const std::string& config_json);

}  // namespace dedit

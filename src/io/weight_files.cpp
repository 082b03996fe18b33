#include "io/weight_files.h"

#include <fstream>
#include <iterator>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/str.h"
#include "io/shown.h"

#include "dedit/error.h"

namespace dedit {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTextBytes = 64 << 20;  // an index of a large model has some megabytes

constexpr const char* kStems[] = {"diffusion_pytorch_model", "model"};
constexpr const char* kVariants[] = {"", ".fp16", ".bf16"};

struct Found {
  fs::path path;
  bool is_index = false;
};

/// Libraries have put the variant at each of the places tried here.
std::optional<Found> find_weights(const fs::path& folder) {
  for (const std::string variant : kVariants) {
    for (const std::string stem : kStems) {
      const fs::path single = folder / (stem + variant + ".safetensors");
      if (is_file(single)) return Found{single, false};
      for (const std::string& index : {stem + variant + ".safetensors.index.json",
                                       stem + ".safetensors.index" + variant + ".json",
                                       stem + ".safetensors" + variant + ".index.json"}) {
        if (is_file(folder / index)) return Found{folder / index, true};
      }
    }
  }
  return {};
}

/// Says what the folder has instead.
[[noreturn]] void refuse_folder(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string kind = entry.path().extension().string();
    if (kind == ".bin" || kind == ".ckpt" || kind == ".pt" || kind == ".pth") {
      throw Error(ErrorKind::kModel,
                  str(folder.string(), ": its weights are a PyTorch pickle (",
                      entry.path().filename().string(), "), which is not read"),
                  "convert it: load it with diffusers and call save_pretrained(folder, "
                  "safe_serialization=True)");
    }
  }
  throw Error(ErrorKind::kModel,
              str(folder.string(),
                  ": there are no weights (looked for diffusion_pytorch_model.safetensors and "
                  "model.safetensors, their .index.json, and their fp16 and bf16 variants)"),
              "the download may be incomplete");
}

[[noreturn]] void refuse_index(const fs::path& index, const std::string& what) {
  throw Error(ErrorKind::kModel, str(index.string(), ": ", what),
              "the folder is damaged or incomplete: fetch it again");
}

/// Tensor name -> name of the file in the same folder.
std::map<std::string, std::string> parse_index(const fs::path& index) {
  const auto json = nlohmann::json::parse(read_small_text(index), nullptr, /*exceptions=*/false);
  if (!json.is_object()) refuse_index(index, "is not a JSON object");
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object()) refuse_index(index, "has no \"weight_map\"");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, value] : map->items()) {
    const std::string file = value.is_string() ? value.get<std::string>() : "";
    if (file.empty() || fs::path(file).filename() != file || !file.ends_with(".safetensors")) {
      refuse_index(index, str("tensor ", in_quotes(tensor), " has no safetensors file name but ",
                              shown(value.dump())));
    }
    files[tensor] = file;
  }
  return files;
}

WeightSet open_shards(const fs::path& index) {
  WeightSet set;
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> opened;
  for (const auto& [tensor, name] : parse_index(index)) {
    auto& file = opened[name];
    if (!file) {
      const fs::path path = index.parent_path() / name;
      if (!is_file(path)) refuse_index(index, str("shard ", shown(name), " is missing"));
      file = SafetensorsFile::open(path.string());
      set.files.push_back(file);
    }
    if (const auto view = file->tensors().find(tensor); view != file->tensors().end()) {
      set.tensors.insert(*view);
    } else if (const auto other = file->other().find(tensor); other != file->other().end()) {
      set.other.insert(*other);
    } else {
      refuse_index(index, str("tensor ", in_quotes(tensor), " is not in shard ", shown(name)));
    }
  }
  return set;
}

}  // namespace

WeightSet open_weight_file(const std::string& path) {
  const auto file = SafetensorsFile::open(path);
  return {.tensors = file->tensors(), .other = file->other(), .files = {file}};
}

WeightSet open_weight_folder(const fs::path& folder) {
  const auto found = find_weights(folder);
  if (!found) refuse_folder(folder);
  return found->is_index ? open_shards(found->path) : open_weight_file(found->path.string());
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::string read_small_text(const fs::path& path) {
  if (!is_file(path)) return "";
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream) throw Error(ErrorKind::kModel, str(path.string(), ": cannot be read"));
  if (bytes > kMaxTextBytes) {
    throw Error(ErrorKind::kModel, str(path.string(), ": is ", bytes,
                                       " bytes long, over the limit of ", kMaxTextBytes));
  }
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string class_name(const std::string& config_json) {
  const auto json = nlohmann::json::parse(config_json, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "";
  const auto found = json.find("_class_name");
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace dedit

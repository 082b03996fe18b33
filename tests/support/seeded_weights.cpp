#include "support/seeded_weights.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "core/weight_view.h"
#include "io/safetensors.h"

namespace dedit {

namespace fs = std::filesystem;

namespace {

/// CRC-32 of zlib, bit by bit.
uint32_t crc32(const std::string& text) {
  uint32_t crc = 0xffffffffu;
  for (const char c : text) {
    crc ^= uint8_t(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

/// Steele et al. 2014, the generator's output function on a counter.
uint64_t splitmix64(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.ends_with(tail);
}

/// "name 4x3x8"
std::pair<std::string, std::vector<int64_t>> parse_tensor_line(const std::string& line) {
  const size_t space = line.find(' ');
  std::vector<int64_t> shape;
  std::istringstream sizes(line.substr(space + 1));
  for (std::string size; std::getline(sizes, size, 'x');) shape.push_back(std::stoll(size));
  return {line.substr(0, space), shape};
}

Shape to_shape(const std::vector<int64_t>& dims) {
  Shape shape;
  for (int64_t d : dims) shape.append(d);
  return shape;
}

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text << "\n";
}

void write_component(const fs::path& folder, const std::string& component,
                     const nlohmann::json& description, uint32_t seed) {
  fs::create_directories(folder);
  std::vector<std::vector<float>> data;
  std::vector<NamedTensor> tensors;
  for (const std::string line : description["tensors"]) {
    const auto [name, shape] = parse_tensor_line(line);
    data.push_back(seeded_weight(component + "." + name, shape, seed));
    tensors.push_back({.name = name, .shape = to_shape(shape)});
  }
  for (size_t i = 0; i < data.size(); ++i) tensors[i].data = data[i].data();
  const bool is_text = component == "text_encoder";
  const std::string file = is_text ? "model" : "diffusion_pytorch_model";
  save_safetensors((folder / (file + ".safetensors")).string(), tensors);
  write_text(folder / "config.json", description["config"].dump(1));
}

}  // namespace

std::vector<float> seeded_uniforms(const std::string& name, int64_t count, uint32_t seed) {
  const uint64_t first = uint64_t(crc32(name) ^ seed) << 32;
  std::vector<float> u(static_cast<size_t>(count));
  for (size_t i = 0; i < u.size(); ++i) {
    u[i] = float(splitmix64(first + i) >> 40) * 0x1p-23f - 1.0f;
  }
  return u;
}

std::vector<float> seeded_weight(const std::string& name, const std::vector<int64_t>& shape,
                                 uint32_t seed) {
  const int64_t count = to_shape(shape).numel();
  std::vector<float> w = seeded_uniforms(name, count, seed);
  const bool is_norm = shape.size() == 1 && !ends_with(name, ".bias");
  float scale = 0.125f;
  if (ends_with(name, ".bias")) {
    scale = 0.03125f;
  } else if (!is_norm && !ends_with(name, "embedding.weight")) {
    const double fan_in = double(count / shape[0]);
    scale = float(std::sqrt(3.0 / fan_in));
  }
  for (float& v : w) v = is_norm ? 1.0f + v * scale : v * scale;
  return w;
}

std::vector<float> seeded_input(const std::string& name, int64_t count, uint32_t seed) {
  std::vector<float> x = seeded_uniforms(name, count, seed);
  for (float& v : x) v *= 1.5f;
  return x;
}

std::string make_golden_checkpoint(const std::string& golden_json, const std::string& out_dir) {
  std::ifstream file(golden_json);
  const nlohmann::json golden = nlohmann::json::parse(file);
  const uint32_t seed = golden["seed"];
  const nlohmann::json& components = golden["components"];
  const fs::path root = fs::path(out_dir) / golden["name"].get<std::string>();
  for (const char* name : {"unet", "vae", "text_encoder"}) {
    write_component(root / name, name, components[name], seed);
  }
  write_text(root / "scheduler" / "scheduler_config.json", golden["scheduler"].dump(1));
  write_text(root / "model_index.json", R"({"_class_name": "StableDiffusionPipeline"})");
  write_component(root.string() + "-controlnet", "controlnet", components["controlnet"], seed);
  write_component(root.string() + "-controlnet-b", "controlnet_b", components["controlnet_b"],
                  seed);
  return root.string();
}

std::map<std::string, TensorValue> load_golden(const std::string& path) {
  std::map<std::string, TensorValue> tensors;
  const auto file = SafetensorsFile::open(path);
  for (const auto& [name, view] : file->tensors()) {
    TensorValue& value = tensors[name];
    for (int i = 0; i < view.shape.rank(); ++i) value.shape.push_back(view.shape[i]);
    value.values.resize(size_t(view.numel()));
    read_f32(view, 0, view.numel(), value.values.data());
  }
  return tensors;
}

std::map<std::string, std::string> golden_metadata(const std::string& path) {
  return SafetensorsFile::open(path)->metadata();
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double error = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i])) return std::numeric_limits<double>::infinity();
    error = std::max(error, std::abs(double(a[i]) - b[i]));
    largest = std::max(largest, std::abs(double(b[i])));
  }
  return error / largest;
}

}  // namespace dedit

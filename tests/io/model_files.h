// Model files for tests: a temporary folder, safetensors files from their parts, and a tiny Stable
// Diffusion 1.x model under its names in both layouts.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/safetensors.h"

#include "dedit/error.h"

namespace dedit::testing {

/// An empty folder, removed with its contents.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  /// A path in the folder; its own folders are made.
  std::string operator/(std::string_view name) const;
  std::string path() const { return path_.string(); }
  size_t n_entries() const;

 private:
  std::filesystem::path path_;
};

void write_file(const std::string& path, std::string_view bytes);
std::string read_file(const std::string& path);

/// Length, header and data, whatever they say.
std::string safetensors_bytes(std::string_view header, std::string_view data);

/// Runs `action`, which must throw an Error of this kind whose message and hint contain the texts.
void expect_error(const std::function<void()>& action, ErrorKind kind, std::string_view message,
                  std::string_view hint = "");

/// Tensors of pseudo-random numbers that depend on the first name alone, written under the second.
/// (name that seeds, name in the file, shape)
struct TestTensor {
  std::string seed;
  std::string name;
  Shape shape;
};
void write_test_tensors(const std::string& path, const std::vector<TestTensor>& tensors,
                        DType dtype = DType::kF32);

/// One tensor under its names and shapes in both layouts.
struct TwoNames {
  std::string compvis;
  std::string diffusers;
  Shape shape;
  Shape diffusers_shape;
};

struct TinySizes {
  std::vector<int> widths = {4, 6, 8};  ///< per level; the lowest has no attention
  int layers = 2;                       ///< residual blocks per level
  int context = 5;
  int in_channels = 4;
};
std::vector<TwoNames> tiny_unet(const TinySizes& sizes);
std::vector<TwoNames> tiny_controlnet(const TinySizes& sizes);
std::vector<TwoNames> tiny_vae(const TinySizes& sizes);
std::vector<TwoNames> tiny_text_encoder(const TinySizes& sizes);

/// The CompVis tensors with `prefix`, and the diffusers ones: the same numbers.
std::vector<TestTensor> compvis_tensors(const std::vector<TwoNames>& tensors,
                                        const std::string& prefix);
std::vector<TestTensor> diffusers_tensors(const std::vector<TwoNames>& tensors);

/// A whole diffusers folder, and the same numbers as a CompVis file with training state beside.
void write_tiny_diffusers(const std::string& folder, const TinySizes& sizes = {},
                          DType dtype = DType::kF32);
void write_tiny_compvis(const std::string& path, const TinySizes& sizes = {});

}  // namespace dedit::testing

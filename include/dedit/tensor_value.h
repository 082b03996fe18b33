// TensorValue: a tensor as a plain value, for latents and traces, and its safetensors form.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace dedit {

/// f32 values in row-major order; latents and feature maps are NCHW, text states [B, T, C].
struct TensorValue {
  std::vector<int64_t> shape;
  std::vector<float> values;

  bool empty() const { return shape.empty(); }
};

/// Reads tensor `name` (f32, f16 or bf16) of a safetensors file.
/// Throws Error(kInput) if the file or the tensor is missing, or the file is corrupt.
TensorValue load_tensor(const std::string& path, const std::string& name);

/// Reads learned prompt vectors of a safetensors file, [n, C]: its only tensor, or `emb_params`,
/// or `string_to_param.*`; one vector may come as [C]. Throws Error(kModel).
TensorValue load_embedding(const std::string& path);

/// Writes f32 tensors; the file appears whole or not at all. Throws Error(kOutput).
void save_tensors(const std::string& path, const std::map<std::string, TensorValue>& tensors);

}  // namespace dedit

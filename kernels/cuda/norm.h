// Group norm and layer norm.
#pragma once

#include "cuda/contract.h"

namespace dedit::cuda {

/// y = activation(norm(x) * gamma + beta): x, y [batch, pixels, channels], biased variance over the
/// pixels and channels of each group. y may be x.
struct GroupNormArgs {
  const void* x = nullptr;
  void* y = nullptr;
  Type type = Type::kF32;
  int64_t batch = 0, pixels = 0, channels = 0;
  int groups = 32;
  float eps = 1e-5f;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  Activation activation = Activation::kNone;
};
size_t group_norm_workspace_bytes(const GroupNormArgs& args);
void group_norm(Stream stream, const GroupNormArgs& args, void* workspace);

/// y = norm(x) * gamma + beta over the last dimension: x, y [rows, n]. y may be x.
struct LayerNormArgs {
  const void* x = nullptr;
  void* y = nullptr;
  Type type = Type::kF32;
  int64_t rows = 0, n = 0;
  float eps = 1e-5f;
  const float* gamma = nullptr;
  const float* beta = nullptr;
};
void layer_norm(Stream stream, const LayerNormArgs& args);

}  // namespace dedit::cuda

// Group norm and layer norm.
#pragma once

#include "cuda/contract.h"

namespace dedit::cuda {

/// y = activation(norm(x) * gamma + beta): x and y [batch, pixels, channels], biased variance over
/// the pixels and channels of each group. With x2, the channels are those of x, then those of x2,
/// and nobody has to concatenate them. y may be x where there is no x2.
struct GroupNormArgs {
  const void* x = nullptr;   ///< [batch, pixels, channels]
  const void* x2 = nullptr;  ///< [batch, pixels, channels2] or null
  void* y = nullptr;         ///< [batch, pixels, channels + channels2]
  Type type = Type::kF32;
  int64_t batch = 0, pixels = 0, channels = 0, channels2 = 0;
  int groups = 32;  ///< divides channels + channels2
  float eps = 1e-5f;
  const float* gamma = nullptr;  ///< [channels + channels2]
  const float* beta = nullptr;   ///< [channels + channels2]
  Activation activation = Activation::kNone;
};
/// 0 where one launch is enough: the workspace may then be null.
size_t group_norm_workspace_bytes(const GroupNormArgs& args);
void group_norm(Stream stream, const GroupNormArgs& args, void* workspace);

/// y = norm(x) * gamma + beta over the last dimension: x, y [rows, n]. y may be x.
struct LayerNormArgs {
  const void* x = nullptr;
  void* y = nullptr;
  Type type = Type::kF32;
  int64_t rows = 0, n = 0;
  float eps = 1e-5f;
  const float* gamma = nullptr;  ///< [n]
  const float* beta = nullptr;   ///< [n]
};
void layer_norm(Stream stream, const LayerNormArgs& args);

}  // namespace dedit::cuda

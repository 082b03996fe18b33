// Output channels of a layer as they lie in the checkpoint, in blocks for kernels/cpu/panel.h.
#pragma once

#include <span>
#include <vector>

#include "backend/cpu/memory.h"
#include "core/weight_view.h"
#include "cpu/panel.h"

namespace dedit::cpu {

/// Weights stacked along the output channels, as stored, and their bias in f32. Keeps the
/// checkpoint's mapping alive.
class StoredRows {
 public:
  StoredRows() = default;
  /// Weights [O_i, ...] of equal rows; biases absent or [O_i].
  StoredRows(std::span<const WeightView> weights, std::span<const WeightView> biases);

  int64_t size() const { return size_; }  ///< of output channels
  /// Of all parts: parts of different types are copied as f32.
  kernels::WeightType type() const { return type_; }
  /// Row i; null from size() on.
  const void* row(int64_t i) const;
  /// `size()` values, then zeros up to a multiple of 64.
  const float* bias() const { return bias_.data(); }
  std::span<const WeightView> parts() const { return parts_; }
  /// What is held beside the checkpoint's mapping.
  size_t bytes() const;

  /// Rows first, first + 1, ... for the block's columns [column, column + count).
  void fill(int64_t first, int64_t column, int64_t count, kernels::WeightRows& block) const;

 private:
  std::vector<WeightView> parts_;
  std::vector<float> copy_, bias_;
  kernels::WeightType type_ = kernels::kWeightF32;
  int64_t size_ = 0;
};

}  // namespace dedit::cpu

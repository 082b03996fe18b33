#include "backend/cpu/weight_rows.h"

#include <algorithm>

#include "backend/cpu/jobs.h"
#include "core/assert.h"

namespace dedit::cpu {
namespace {

kernels::WeightType weight_type(DType dtype) {
  if (dtype == DType::kF16) return kernels::kWeightF16;
  if (dtype == DType::kBF16) return kernels::kWeightBf16;
  DEDIT_ASSERT(dtype == DType::kF32);
  return kernels::kWeightF32;
}

}  // namespace

StoredRows::StoredRows(std::span<const WeightView> weights, std::span<const WeightView> biases)
    : parts_(weights.begin(), weights.end()), type_(weight_type(weights[0].dtype)) {
  int64_t elements = 0;
  bool is_mixed = false;
  for (const WeightView& w : weights) {
    size_ += w.shape[0];
    elements += w.numel();
    will_need(w.data, size_t(w.numel()) * size_of(w.dtype));
    is_mixed = is_mixed || w.dtype != weights[0].dtype;
  }
  if (is_mixed) {
    copy_.resize(size_t(elements));
    float* out = copy_.data();
    for (WeightView& part : parts_) {
      read_f32(part, 0, part.numel(), out);
      part = {.data = out, .dtype = DType::kF32, .shape = part.shape};
      out += part.numel();
    }
    type_ = kernels::kWeightF32;
  }
  bias_.resize(size_t(divide_up(size_, kernels::kPanelColumns) * kernels::kPanelColumns), 0.0f);
  float* bias = bias_.data();
  for (size_t i = 0; i < weights.size(); ++i) {
    if (i < biases.size() && biases[i]) read_f32(biases[i], 0, weights[i].shape[0], bias);
    bias += weights[i].shape[0];
  }
}

const void* StoredRows::row(int64_t i) const {
  for (const WeightView& part : parts_) {
    const int64_t rows = part.shape[0];
    if (i < rows) {
      const size_t bytes = size_t(part.numel() / rows) * size_of(part.dtype);
      return static_cast<const std::byte*>(part.data) + size_t(i) * bytes;
    }
    i -= rows;
  }
  return nullptr;
}

size_t StoredRows::bytes() const {
  return (copy_.size() + bias_.size()) * sizeof(float);
}

void StoredRows::fill(int64_t first, int64_t column, int64_t count,
                      kernels::WeightRows& block) const {
  for (int64_t i = 0; i < count; ++i) block.row[column + i] = row(first + i);
}

}  // namespace dedit::cpu

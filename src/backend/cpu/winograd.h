// 3x3 convolutions at stride 1 by Winograd's F(4x4, 3x3), a quarter of the multiplications; see
// kernels/cpu/winograd.h for the method.
//
// The weights stay as they are and are transformed a few input channels at a time, beside the
// products that use them: 36 of 9 values would be four times the memory, and for most planes the
// transform is a few percent of the products.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/memory.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

class Winograd {
 public:
  class Weight;

  explicit Winograd(const kernels::KernelTable& table) : table_(table) {}

  /// True for kernels that it computes and that have enough channels to fill its blocks.
  static bool fits(const WeightView& weight, const Conv2dParams& params);

  /// Kept as bf16 if `compute` is, else as f32.
  PackedWeightPtr pack(const WeightView& weight, const WeightView& bias, DType compute) const;

  /// x and y f32 or bf16, sums f32.
  void conv2d(const Tensor& x, const Weight& w, const Epilogue& epilogue, Tensor& y);

 private:
  struct Call;
  struct Run;
  void transform_tiles(const Call& call, int64_t first_block, int64_t n_blocks, float* v) const;
  void multiply(const Call& call, int64_t out_block, const Run& run, const float* v,
                float* scratch) const;
  void finish_tile(const Call& call, int64_t tile, int64_t out_block, const float* acc) const;

  const kernels::KernelTable& table_;
  ScratchPool scratch_;
};

/// [out blocks, in, 9, 64], the last block filled up with zeros.
class Winograd::Weight : public PackedWeight {
 public:
  DType dtype = DType::kF32;
  int64_t n_blocks = 0;
  HostArray<std::byte> values;
  HostArray<float> bias;  // [64 * n_blocks], zero where absent
};

}  // namespace dedit::cpu

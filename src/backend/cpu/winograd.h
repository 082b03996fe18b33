// 3x3 convolutions at stride 1 by Winograd's F(4x4, 3x3), a quarter of the multiplications; see
// kernels/cpu/winograd.h for the method.
//
// The weights stay as the checkpoint stores them and are transformed a few input channels at a
// time, beside the products that use them: 36 of 9 values would be four times the memory, and for
// most planes the transform is a few percent of the products.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/memory.h"
#include "backend/cpu/weight_rows.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

class Winograd {
 public:
  class Weight;

  explicit Winograd(const kernels::KernelTable& table) : table_(table) {}

  /// True for kernels that it computes and that have enough channels to fill its blocks.
  static bool fits(const WeightView& weight, const Conv2dParams& params);

  static PackedWeightPtr pack(const WeightView& weight, const WeightView& bias);

  /// x and y f32 or bf16, sums f32. The input may be normalised and enlarged, not concatenated.
  void conv2d(const ConvInput& input, const Weight& w, const Epilogue& epilogue, Tensor& y);

 private:
  struct Call;
  void run_by_channels(const Call& call);
  void run_by_tiles(const Call& call);
  void transform_tiles(const Call& call, int64_t first_block, int64_t n_blocks, float* v) const;
  void transform_weights(const Call& call, int64_t out_block, int64_t chunk, float* u,
                         int64_t u_product) const;
  void multiply(const Call& call, int64_t tile_block, int64_t chunk, int64_t p, const float* v,
                const float* u, float* m) const;
  void finish(const Call& call, int64_t tile_block, int64_t out_block, const float* m) const;

  const kernels::KernelTable& table_;
  ScratchPool scratch_;
};

class Winograd::Weight : public PackedWeight {
 public:
  StoredRows rows;
};

}  // namespace dedit::cpu

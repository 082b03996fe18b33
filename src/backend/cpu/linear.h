// Linear layers and 1x1 convolutions on the weights as the checkpoint stores them; see
// kernels/cpu/panel.h for the method.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/memory.h"
#include "backend/cpu/weight_rows.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

class Linears {
 public:
  class Weight;

  /// native_bf16: bf16 products run in bf16; else weights and activations are widened to f32.
  Linears(const kernels::KernelTable& table, bool native_bf16)
      : table_(table), native_bf16_(native_bf16) {}

  /// weights [O_i, I] or [O_i, I, 1, 1], stacked along O; biases absent or one each.
  PackedWeightPtr pack(std::span<const WeightView> weights, std::span<const WeightView> biases,
                       DType compute) const;

  /// x [..., I] -> y [..., O], or [..., O / 2] with Act::kGeGlu.
  void linear(const Tensor& x, const Weight& w, const Epilogue& epilogue, Tensor& y);

 private:
  struct Call;
  struct Part;
  void multiply(const Call& call, const Part& part, std::byte* scratch) const;
  void make_panel(const Call& call, int64_t block, int64_t first, int64_t count, void* u) const;
  static void fetch(const Call& call, const Part& rows);
  void finish(const Call& call, const Part& rows, const float* acc) const;

  const kernels::KernelTable& table_;
  const bool native_bf16_;
  ScratchPool scratch_;
};

class Linears::Weight : public PackedWeight {
 public:
  StoredRows rows;
  DType dtype = DType::kF32;  // of the products
};

}  // namespace dedit::cpu

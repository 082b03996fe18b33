// Linear layers and convolutions: oneDNN blocks with the epilogue of kernels/cpu applied to each
// block while it is in cache.
#pragma once

#include <functional>
#include <span>

#include "backend/backend.h"
#include "backend/cpu/blocking.h"
#include "backend/cpu/memory.h"
#include "backend/cpu/onednn.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

/// The kernels' index of an activation type; throws Error(kOther) on any but f32 and bf16.
kernels::Type kernel_type(DType dtype);
kernels::Activation kernel_activation(Act act);

/// Epilogue of the block of y that starts at `channel`: y and the residual at the first pixel of
/// the first image, the row bias of `image`. Rows, columns, sums and bias are the caller's.
kernels::EpilogueArgs epilogue_args(const Epilogue& epilogue, Tensor& y, int64_t image,
                                    int64_t channel);

class Products {
 public:
  /// native_bf16: bf16 products run in bf16; else their weights and activations become f32.
  Products(const kernels::KernelTable& table, bool native_bf16)
      : table_(table), native_bf16_(native_bf16) {}

  PackedWeightPtr pack_conv2d(const WeightView& weight, const WeightView& bias,
                              const Conv2dParams& params, DType compute);
  PackedWeightPtr pack_linear(std::span<const WeightView> weights,
                              std::span<const WeightView> biases, DType compute);

  void conv2d(const Tensor& x, const PackedWeight& w, const Conv2dParams& params,
              const Epilogue& epilogue, Tensor& y);
  void linear(const Tensor& x, const PackedWeight& w, const Epilogue& epilogue, Tensor& y);

 private:
  class Weight;
  struct Call;
  DType product_type(DType compute) const;
  PackedWeightPtr pack(const BlockShape& shape, std::span<const WeightView> weights,
                       std::span<const WeightView> biases);
  void run(Call& call);
  void finish(const Call& call, const RowBlock& rows, int64_t channel, const float* acc) const;

  const kernels::KernelTable& table_;
  const bool native_bf16_;
  OneDnn onednn_;
  ScratchPool scratch_;
};

}  // namespace dedit::cpu

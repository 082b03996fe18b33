// CpuBackend: the kernels of kernels/cpu, and oneDNN for convolutions with strides or few channels
// and for bf16 products on AMX.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/linear.h"
#include "backend/cpu/memory.h"
#include "backend/cpu/product.h"
#include "backend/cpu/winograd.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

/// May be called from several threads at once. Every op is cut into blocks whose bounds depend on
/// the shapes alone, so results do not depend on the number of threads.
class CpuBackend : public Backend {
 public:
  /// `level` is at most the machine's best; tests choose lower ones. oneDNN is not capped here.
  explicit CpuBackend(kernels::IsaLevel level, const BackendOptions& options = {});

  std::string description() const override;
  MemoryResource& memory() override { return memory_; }
  bool fuses(Fusion fusion, const PackedWeight& weight) const override;

  PackedWeightPtr pack_conv2d(const WeightView& weight, const WeightView& bias,
                              const Conv2dParams& params, DType compute) override;
  PackedWeightPtr pack_linear(std::span<const WeightView> weights,
                              std::span<const WeightView> biases, DType compute) override;
  Tensor constant(const WeightView& view) override;

  void upload(const float* host, Tensor& y) override;
  void download(const Tensor& x, float* host) override;

  void conv2d(const ConvInput& input, const PackedWeight& w, const Conv2dParams& params,
              const Epilogue& epilogue, Tensor& y) override;
  void linear(const Tensor& x, const PackedWeight& w, const Epilogue& epilogue, Tensor& y) override;
  void group_norm(const Tensor& x, const InputNorm& norm, Tensor& y) override;
  void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps,
                  Tensor& y) override;
  void geglu(const Tensor& x, Tensor& y) override;
  void attention(const Columns& q, const Columns& k, const Columns& v,
                 const AttentionParams& params, Tensor& y) override;
  void activation(const Tensor& x, Act act, Tensor& y) override;
  void lincomb(std::span<const Term> terms, Tensor& y) override;
  void blend(const Tensor& mask, const Tensor& a, const Tensor& b, Tensor& y) override;
  void upsample_nearest(const Tensor& x, Tensor& y) override;
  void concat(const Tensor& a, const Tensor& b, Tensor& y) override;
  void embed(std::span<const int32_t> ids, const Tensor& table, const Tensor& positions,
             Tensor& y) override;
  void sum_of_squares(const Tensor& x, Tensor& y) override;

 private:
  const kernels::IsaLevel level_;
  const bool low_memory_;
  const kernels::KernelTable& table_;
  HostMemory memory_;
  ScratchPool scratch_;
  Products products_;
  Linears linears_;
  Winograd winograd_;

  bool prefers_onednn(DType compute) const;
  void used(std::span<const WeightView> weights) const;
};

}  // namespace dedit::cpu

// CudaBackend: the kernels of kernels/cuda, and where it is at hand cuBLASLt for linear layers.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/matmul.h"
#include "backend/cuda/queue.h"
#include "backend/cuda/weights.h"

namespace dedit::cuda {

/// May be called from several threads at once; their work is done one after the other.
class CudaBackend : public Backend {
 public:
  /// `matmul` may be null.
  explicit CudaBackend(std::unique_ptr<Device> device, const Queue::Options& options = {},
                       std::unique_ptr<Matmul> matmul = nullptr);

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
  void end_of_step() override;

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
  void lincomb(std::span<const dedit::Term> terms, Tensor& y) override;
  void blend(const Tensor& mask, const Tensor& a, const Tensor& b, Tensor& y) override;
  void upsample_nearest(const Tensor& x, Tensor& y) override;
  void concat(const Tensor& a, const Tensor& b, Tensor& y) override;
  void embed(std::span<const int32_t> ids, const Tensor& table, const Tensor& positions,
             Tensor& y) override;
  void sum_of_squares(const Tensor& x, Tensor& y) override;

 private:
  /// For pools: slabs of device memory.
  class Memory : public MemoryResource {
   public:
    explicit Memory(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
    void* allocate(size_t bytes) override { return queue_->allocate(bytes); }
    void deallocate(void* p, size_t) override { queue_->deallocate(p); }
    size_t slab_bytes() const override;

   private:
    std::shared_ptr<Queue> queue_;
  };

  template <class Body>
  auto queued(const Body& body);
  void run_product(Stream stream, ProductArgs args, const Weight& weight);

  std::shared_ptr<Queue> queue_;
  Memory memory_;
  WeightStore store_;
  std::unique_ptr<Matmul> matmul_;
};

}  // namespace dedit::cuda

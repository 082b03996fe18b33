// Weights on the device: uploaded as stored, converted and laid out there.
#pragma once

#include <memory>
#include <span>

#include "backend/backend.h"
#include "backend/cuda/queue.h"

namespace dedit::cuda {

/// The kernels' name of a type. Throws Error(kOther) for those that they do not have.
Type kernel_type(DType dtype);

using DeviceArray = std::shared_ptr<std::byte>;

/// A layer's weights: [out, kernel, kernel, in] in the type of its activations, biases in f32.
struct Weight : PackedWeight {
  DeviceArray values;
  DeviceArray biases;          ///< [out], null where there are none
  DeviceArray rounded_biases;  ///< in the values' type, for libraries
  DType dtype = DType::kF32;
  int kernel = 1;
};

/// Device memory for weights, in large blocks that live as long as one of their arrays. The caller
/// holds the queue's turn.
class WeightStore {
 public:
  explicit WeightStore(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}

  std::shared_ptr<Weight> linear(std::span<const WeightView> weights,
                                 std::span<const WeightView> biases, DType compute);
  std::shared_ptr<Weight> conv2d(const WeightView& weight, const WeightView& bias, int kernel,
                                 DType compute);
  /// In f32.
  Tensor constant(const WeightView& view);

 private:
  DeviceArray take(size_t bytes);
  void put(std::span<const WeightView> parts, std::byte* device, Type type);
  void put_biases(std::span<const WeightView> weights, std::span<const WeightView> biases,
                  Weight& packed);

  std::shared_ptr<Queue> queue_;
  DeviceArray block_;
  size_t block_used_ = 0;
};

}  // namespace dedit::cuda

// Weights on the device: uploaded as stored, converted and laid out there.
#pragma once

#include <memory>
#include <span>

#include "backend/backend.h"
#include "backend/cuda/queue.h"

namespace dedit::cuda {

/// The kernels' name of a type. Throws Error(kOther) for those that they do not have.
Type kernel_type(DType dtype);

using DeviceArray = std::shared_ptr<std::byte>;  ///< or, where that is said, pinned

/// A layer's weights: [out, kernel, kernel, in] in the type of its activations, biases in f32.
struct Weight : PackedWeight {
  /// On the device, or pinned and to be copied there for each use.
  DeviceArray values;
  bool is_pinned = false;
  DeviceArray biases;          ///< [out], null where there are none
  DeviceArray rounded_biases;  ///< in the values' type, for libraries
  DType dtype = DType::kF32;
  int kernel = 1;

  size_t value_bytes() const { return size_t(out * in * kernel * kernel) * size_of(dtype); }
};

/// Memory in large blocks that live as long as one of their arrays.
class WeightBlocks {
 public:
  WeightBlocks(std::shared_ptr<Queue> queue, bool is_pinned)
      : queue_(std::move(queue)), is_pinned_(is_pinned) {}
  /// Throws Error(kMemory).
  DeviceArray take(size_t bytes);

 private:
  DeviceArray allocate(size_t bytes);

  std::shared_ptr<Queue> queue_;
  const bool is_pinned_;
  DeviceArray block_;
  size_t used_ = 0;
};

/// Weights of a backend. The caller holds the queue's turn.
///
/// With little memory, large weights lie in pinned host memory and are copied into one place on the
/// device before each product, in the order of the queue and so inside of recordings. The copy of
/// the next one does not run beside a product: a step of Stable Diffusion moves 1.7 GB, 70 ms at
/// 25 GB/s, beside some 10 ms of arithmetic, so that there is next to nothing to hide.
class WeightStore {
 public:
  explicit WeightStore(std::shared_ptr<Queue> queue)
      : queue_(queue), on_device_(queue, /*is_pinned=*/false), pinned_(queue, /*is_pinned=*/true) {}

  std::shared_ptr<Weight> linear(std::span<const WeightView> weights,
                                 std::span<const WeightView> biases, DType compute);
  std::shared_ptr<Weight> conv2d(const WeightView& weight, const WeightView& bias, int kernel,
                                 DType compute);
  /// In f32, always on the device.
  Tensor constant(const WeightView& view);
  /// Where the weights are for what is queued before the next call.
  const void* values(const Weight& weight);

 private:
  std::byte* make_room(Weight& packed);
  void settle(const Weight& packed, const std::byte* made);
  void have_read(std::span<const WeightView> stored) const;
  void put(std::span<const WeightView> parts, std::byte* device, Type type);
  void put_biases(std::span<const WeightView> weights, std::span<const WeightView> biases,
                  Weight& packed);

  std::shared_ptr<Queue> queue_;
  WeightBlocks on_device_, pinned_;
};

}  // namespace dedit::cuda

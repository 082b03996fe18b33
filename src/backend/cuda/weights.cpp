#include "backend/cuda/weights.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/parallel.h"
#include "core/str.h"
#include "cuda/elementwise.h"
#include "cuda/product.h"

#include "dedit/error.h"

namespace dedit::cuda {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kPieceBytes = size_t{16} << 20;  // of a conversion
// Smaller weights stay on the device: a copy of one takes as long to begin as to run.
constexpr size_t kSmallBytes = size_t{64} << 10;

// A copy out of a mapped file is bound by page faults and memory: all threads take part.
void copy_in_parallel(std::byte* to, const std::byte* from, size_t bytes) {
  constexpr size_t kPart = size_t{1} << 20;
  parallel_for(int64_t((bytes + kPart - 1) / kPart), [&](int64_t i) {
    const size_t first = size_t(i) * kPart;
    std::memcpy(to + first, from + first, std::min(kPart, bytes - first));
  });
}

/// The elements of several tensors of a checkpoint one after the other, in the type that they are
/// stored in, or in f32 where they differ.
class Stored {
 public:
  explicit Stored(std::span<const WeightView> parts) : parts_(parts), dtype_(parts[0].dtype) {
    for (const WeightView& part : parts) {
      if (part.dtype != dtype_) dtype_ = DType::kF32;
      count_ += part.numel();
    }
  }
  DType dtype() const { return dtype_; }
  int64_t count() const { return count_; }

  /// Elements [first, first + count).
  void read(int64_t first, int64_t count, std::byte* to) const {
    for (const WeightView& part : parts_) {
      const int64_t n = std::min(count, part.numel() - first);
      if (n > 0) {
        read_part(part, first, n, to);
        to += size_t(n) * size_of(dtype_);
        count -= n;
      }
      first = std::max<int64_t>(0, first - part.numel());
    }
  }

 private:
  void read_part(const WeightView& part, int64_t first, int64_t n, std::byte* to) const {
    if (part.dtype != dtype_) return read_f32(part, first, n, reinterpret_cast<float*>(to));
    const size_t size = size_of(dtype_);
    copy_in_parallel(to, static_cast<const std::byte*>(part.data) + size_t(first) * size,
                     size_t(n) * size);
  }

  std::span<const WeightView> parts_;
  DType dtype_;
  int64_t count_ = 0;
};

void upload(Queue& queue, const Stored& stored, int64_t first, int64_t count, void* device) {
  const size_t size = size_of(stored.dtype());
  queue.upload(
      [&](std::byte* to, size_t byte, size_t bytes) {
        stored.read(first + int64_t(byte / size), int64_t(bytes / size), to);
      },
      size_t(count) * size, device);
}

}  // namespace

Type kernel_type(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return Type::kF32;
    case DType::kBF16:
      return Type::kBF16;
    case DType::kF16:
      return Type::kF16;
    case DType::kF64:
    case DType::kI32:
      break;
  }
  throw Error(ErrorKind::kOther, str("cuda: there are no operations on ", name_of(dtype)));
}

// The array keeps the queue: weights may outlive the backend.
DeviceArray WeightBlocks::allocate(size_t bytes) {
  if (is_pinned_) {
    return {static_cast<std::byte*>(queue_->allocate_pinned(bytes)),
            [queue = queue_](std::byte* p) { queue->deallocate_pinned(p); }};
  }
  return {static_cast<std::byte*>(queue_->allocate(bytes)),
          [queue = queue_](std::byte* p) { queue->deallocate(p); }};
}

DeviceArray WeightBlocks::take(size_t bytes) {
  const size_t block_bytes = std::min(size_t{64} << 20, queue_->device().total_bytes() / 64);
  if (bytes >= block_bytes / 8) return allocate(bytes);
  if (!block_ || used_ + bytes > block_bytes) {
    block_ = allocate(block_bytes);
    used_ = 0;
  }
  const DeviceArray part(block_, block_.get() + used_);
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return part;
}

/// Where the values are to be made on the device.
std::byte* WeightStore::make_room(Weight& packed) {
  packed.bytes = packed.value_bytes();
  packed.is_pinned = queue_->options().low_memory && packed.bytes >= kSmallBytes;
  packed.values = (packed.is_pinned ? pinned_ : on_device_).take(packed.bytes);
  if (!packed.is_pinned) return packed.values.get();
  return static_cast<std::byte*>(queue_->weight_slot(packed.bytes));
}

/// They have been made there.
void WeightStore::settle(const Weight& packed, const std::byte* made) {
  if (packed.is_pinned) queue_->copy_to_pinned(packed.values.get(), made, packed.value_bytes());
}

/// All of `stored` is on its way to the device.
void WeightStore::have_read(std::span<const WeightView> stored) const {
  if (!queue_->options().low_memory) return;
  for (const WeightView& view : stored) give_back_pages(view);
}

const void* WeightStore::values(const Weight& weight) {
  if (!weight.is_pinned) return weight.values.get();
  void* slot = queue_->weight_slot(weight.value_bytes());
  queue_->copy_from_pinned(slot, weight.values.get(), weight.value_bytes());
  return slot;
}

void WeightStore::put(std::span<const WeightView> parts, std::byte* device, Type type) {
  const Stored stored(parts);
  const Type stored_type = kernel_type(stored.dtype());
  if (stored_type == type) return upload(*queue_, stored, 0, stored.count(), device);
  const int64_t piece = int64_t(kPieceBytes) / size_of(stored_type);
  void* scratch = queue_->scratch(size_t(std::min(piece, stored.count()) * size_of(stored_type)));
  for (int64_t first = 0; first < stored.count(); first += piece) {
    const int64_t n = std::min(piece, stored.count() - first);
    upload(*queue_, stored, first, n, scratch);
    convert(queue_->stream(), scratch, stored_type, device + first * size_of(type), type, n);
  }
}

// Absent ones beside others are zeros.
void WeightStore::put_biases(std::span<const WeightView> weights,
                             std::span<const WeightView> biases, Weight& packed) {
  std::vector<float> all;
  bool any = false;
  for (size_t i = 0; i < weights.size(); ++i) {
    const auto n = size_t(weights[i].shape[0]);
    all.resize(all.size() + n);
    if (i >= biases.size() || !biases[i]) continue;
    any = true;
    read_f32(biases[i], 0, int64_t(n), all.data() + all.size() - n);
  }
  if (!any) return;
  packed.biases = on_device_.take(all.size() * sizeof(float));
  packed.bytes += all.size() * sizeof(float);
  queue_->upload(all.data(), all.size() * sizeof(float), packed.biases.get());
  packed.rounded_biases = packed.biases;
  if (packed.dtype == DType::kF32 || packed.kernel != 1) return;
  packed.rounded_biases = on_device_.take(all.size() * size_of(packed.dtype));
  convert(queue_->stream(), packed.biases.get(), Type::kF32, packed.rounded_biases.get(),
          kernel_type(packed.dtype), int64_t(all.size()));
}

std::shared_ptr<Weight> WeightStore::linear(std::span<const WeightView> weights,
                                            std::span<const WeightView> biases, DType compute) {
  auto packed = std::make_shared<Weight>();
  packed->dtype = compute;
  packed->in = weights[0].shape[1];
  for (const WeightView& w : weights) packed->out += w.shape[0];
  std::byte* values = make_room(*packed);
  put(weights, values, kernel_type(compute));
  settle(*packed, values);
  have_read(weights);
  put_biases(weights, biases, *packed);
  return packed;
}

std::shared_ptr<Weight> WeightStore::conv2d(const WeightView& weight, const WeightView& bias,
                                            int kernel, DType compute) {
  auto packed = std::make_shared<Weight>();
  packed->dtype = compute;
  packed->out = weight.shape[0];
  packed->in = weight.shape[1];
  packed->kernel = kernel;
  const Type type = kernel_type(compute);
  std::byte* values = make_room(*packed);
  if (kernel == 1) {
    put({&weight, 1}, values, type);
  } else {
    const Stored stored({&weight, 1});
    const Type stored_type = kernel_type(stored.dtype());
    const int64_t row = weight.numel() / packed->out;  // elements of an output channel
    // A multiple of 8 channels, so that every piece begins at a multiple of 16 bytes.
    const int64_t fit = int64_t(kPieceBytes) / (row * size_of(stored_type)) / 8 * 8;
    const int64_t piece = std::min(packed->out, std::max<int64_t>(8, fit));
    void* scratch = queue_->scratch(size_t(piece * row * size_of(stored_type)));
    for (int64_t first = 0; first < packed->out; first += piece) {
      const int64_t n = std::min(piece, packed->out - first);
      upload(*queue_, stored, first * row, n * row, scratch);
      pack_weights(queue_->stream(), scratch, stored_type, n, packed->in, kernel,
                   values + first * row * size_of(type), type);
    }
  }
  settle(*packed, values);
  have_read({&weight, 1});
  put_biases({&weight, 1}, {&bias, 1}, *packed);
  return packed;
}

Tensor WeightStore::constant(const WeightView& view) {
  const size_t bytes = size_t(view.numel()) * sizeof(float);
  const DeviceArray array = on_device_.take(bytes);
  put({&view, 1}, array.get(), Type::kF32);
  have_read({&view, 1});
  const std::shared_ptr<Buffer> buffer(new Buffer{array.get(), bytes},
                                       [array](Buffer* b) { delete b; });
  return Tensor(buffer, view.shape, DType::kF32);
}

}  // namespace dedit::cuda

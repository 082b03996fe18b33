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

DeviceArray WeightStore::take(size_t bytes) {
  const auto allocate = [this](size_t n) {
    // The array keeps the queue: weights may outlive the backend.
    return DeviceArray(static_cast<std::byte*>(queue_->allocate(n)),
                       [queue = queue_](std::byte* p) { queue->deallocate(p); });
  };
  const size_t block_bytes = std::min(size_t{64} << 20, queue_->device().total_bytes() / 64);
  if (bytes >= block_bytes / 8) return allocate(bytes);
  if (!block_ || block_used_ + bytes > block_bytes) {
    block_ = allocate(block_bytes);
    block_used_ = 0;
  }
  const DeviceArray part(block_, block_.get() + block_used_);
  block_used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return part;
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
  packed.biases = take(all.size() * sizeof(float));
  packed.bytes += all.size() * sizeof(float);
  queue_->upload(all.data(), all.size() * sizeof(float), packed.biases.get());
  packed.rounded_biases = packed.biases;
  if (packed.dtype == DType::kF32 || packed.kernel != 1) return;
  packed.rounded_biases = take(all.size() * size_of(packed.dtype));
  convert(queue_->stream(), packed.biases.get(), Type::kF32, packed.rounded_biases.get(),
          kernel_type(packed.dtype), int64_t(all.size()));
}

std::shared_ptr<Weight> WeightStore::linear(std::span<const WeightView> weights,
                                            std::span<const WeightView> biases, DType compute) {
  auto packed = std::make_shared<Weight>();
  packed->dtype = compute;
  packed->in = weights[0].shape[1];
  for (const WeightView& w : weights) packed->out += w.shape[0];
  const Type type = kernel_type(compute);
  packed->bytes = size_t(packed->out * packed->in * size_of(type));
  packed->values = take(packed->bytes);
  put(weights, packed->values.get(), type);
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
  packed->bytes = size_t(weight.numel() * size_of(type));
  packed->values = take(packed->bytes);
  if (kernel == 1) {
    put({&weight, 1}, packed->values.get(), type);
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
                   packed->values.get() + first * row * size_of(type), type);
    }
  }
  put_biases({&weight, 1}, {&bias, 1}, *packed);
  return packed;
}

Tensor WeightStore::constant(const WeightView& view) {
  const size_t bytes = size_t(view.numel()) * sizeof(float);
  const DeviceArray array = take(bytes);
  put({&view, 1}, array.get(), Type::kF32);
  const std::shared_ptr<Buffer> buffer(new Buffer{array.get(), bytes},
                                       [array](Buffer* b) { delete b; });
  return Tensor(buffer, view.shape, DType::kF32);
}

}  // namespace dedit::cuda

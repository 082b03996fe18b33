// Tensor: a value handle on a reference-counted buffer. Always contiguous, at most four dimensions.
// Letters: B batch, H W rows and columns, C channels, T tokens. Activations are NHWC or [B, T, C].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "core/assert.h"
#include "core/dtype.h"

namespace dedit {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) {
    DEDIT_ASSERT(dims.size() <= 4);
    for (int64_t d : dims) dims_[size_t(rank_++)] = d;
  }

  int rank() const { return rank_; }
  /// Dimension i; negative counts from the end.
  int64_t operator[](int i) const { return dims_[size_t(i < 0 ? i + rank_ : i)]; }
  void set(int i, int64_t value) { dims_[size_t(i < 0 ? i + rank_ : i)] = value; }
  void append(int64_t value) { dims_[size_t(rank_++)] = value; }
  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[size_t(i)];
    return n;
  }
  bool operator==(const Shape& o) const = default;
  /// "[2, 64, 64, 320]"
  std::string str() const;

 private:
  std::array<int64_t, 4> dims_{};
  int rank_ = 0;
};

/// Memory of one backend; released by its deleter (to a pool or to the system).
struct Buffer {
  void* data = nullptr;
  size_t bytes = 0;
};

class Tensor {
 public:
  Tensor() = default;
  Tensor(std::shared_ptr<Buffer> buffer, const Shape& shape, DType dtype, size_t offset = 0)
      : buffer_(std::move(buffer)), offset_(offset), shape_(shape), dtype_(dtype) {}

  explicit operator bool() const { return buffer_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int i) const { return shape_[i]; }
  DType dtype() const { return dtype_; }
  int64_t numel() const { return shape_.numel(); }
  size_t bytes() const { return size_t(numel()) * size_of(dtype_); }

  /// First element, in the backend's memory (host memory for a CPU backend).
  void* raw() const { return static_cast<std::byte*>(buffer_->data) + offset_; }
  template <class T>
  T* data() const {
    DEDIT_ASSERT(sizeof(T) == size_of(dtype_));
    return static_cast<T*>(raw());
  }

  /// The same elements under another shape; shares the buffer.
  Tensor reshape(const Shape& shape) const {
    DEDIT_ASSERT(shape.numel() == shape_.numel());
    return Tensor(buffer_, shape, dtype_, offset_);
  }
  /// `count` entries of the first dimension from `first`; shares the buffer.
  Tensor rows(int64_t first, int64_t count) const {
    DEDIT_ASSERT(first >= 0 && first + count <= shape_[0]);
    Shape s = shape_;
    s.set(0, count);
    const size_t row = bytes() / size_t(shape_[0]);
    return Tensor(buffer_, s, dtype_, offset_ + size_t(first) * row);
  }

 private:
  std::shared_ptr<Buffer> buffer_;
  size_t offset_ = 0;
  Shape shape_;
  DType dtype_ = DType::kF32;
};

}  // namespace dedit

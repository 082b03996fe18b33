// WeightView: one tensor of a checkpoint, as stored, in host memory.
#pragma once

#include <memory>

#include "core/dtype.h"
#include "core/tensor.h"

namespace dedit {

/// `data` need not be aligned; null means absent (no bias, or missing while a checkpoint is being
/// checked).
struct WeightView {
  const void* data = nullptr;
  DType dtype = DType::kF32;  ///< kF32, kF16 or kBF16
  Shape shape;                ///< as in PyTorch: linear [O, I], convolution [O, I, kh, kw]
  /// Keeps data alive: the checkpoint's mapping. Null where whoever made the view does that.
  std::shared_ptr<const void> owner = nullptr;
  /// The data lies in the mapping of a file that is only read: pages of it may leave memory and
  /// come back from the file.
  bool is_mapped = false;

  explicit operator bool() const { return data != nullptr; }
  int64_t numel() const { return shape.numel(); }
};

/// Elements [first, first + count) of `view` as f32.
void read_f32(const WeightView& view, int64_t first, int64_t count, float* out);

/// Takes the whole pages of a mapped view out of this process's memory. The system keeps them as
/// long as it has room; whoever reads them next, in any thread, gets them again from there or from
/// the file. Nothing where the view is not mapped.
void give_back_pages(const WeightView& view);

}  // namespace dedit

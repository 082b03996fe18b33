// Matrix products and convolutions of oneDNN, in blocks: one block of input rows by one block of
// output channels, on one thread, with an f32 result.
//
// oneDNN plans a primitive for a number of threads, and may then split sums between them or pick
// other blocks, so that results would depend on that number. Here every primitive is planned for
// one thread and the caller spreads the blocks, whose bounds depend on the shapes alone.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/dtype.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

/// Caps oneDNN's instruction set. Only before its first use in this process.
void cap_onednn(kernels::IsaLevel level);
/// "2.6.3"
const char* onednn_version();

/// A convolution [height, width, in] -> [out_height(), out_width(), out], or, with is_matmul, the
/// product [height, in] x [in, out] (width 1). Input and weights have type `dtype` (f32 or bf16).
struct BlockShape {
  DType dtype = DType::kF32;
  bool is_matmul = true;
  int64_t height = 1, width = 1, in = 1, out = 1;
  int kernel = 1, stride = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;

  auto operator<=>(const BlockShape&) const = default;
  int64_t out_height() const { return (height + pad_top + pad_bottom - kernel) / stride + 1; }
  int64_t out_width() const { return (width + pad_left + pad_right - kernel) / stride + 1; }
};

class PackedBlocks;  // weights of all output blocks, in oneDNN's layout
class Primitive;     // a primitive and its memory descriptors
class Layout;        // the weights in the layout of one primitive

/// A primitive and the weights that fit it; valid as long as the OneDnn and the weights are.
struct Plan {
  const Primitive* primitive = nullptr;
  const Layout* layout = nullptr;
  size_t scratch_bytes = 0;
};

class OneDnn {
 public:
  OneDnn();
  ~OneDnn();

  /// Writes rows [first, first + count) of the weights [O, in * kernel * kernel] as f32. Called
  /// from several threads.
  using ReadRows = std::function<void(int64_t first, int64_t count, float* out)>;

  /// Packs n_blocks blocks of `shape.out` output channels each, in the layout that a primitive of
  /// `shape` asks for. Throws Error(kMemory).
  std::shared_ptr<PackedBlocks> pack(const BlockShape& shape, int64_t n_blocks,
                                     const ReadRows& read);
  static size_t bytes(const PackedBlocks& weights);

  /// The primitive of `shape`, made at first use; repacks if it needs another weight layout.
  Plan plan(const BlockShape& shape, PackedBlocks& weights);

  /// y [out_height, out_width, out] f32 = one block, on the calling thread.
  void run(const Plan& plan, int64_t block, const void* x, float* y, void* scratch) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dedit::cpu

#include "backend/cpu/blocking.h"

#include <algorithm>

#include "backend/cpu/jobs.h"

namespace dedit::cpu {
namespace {

constexpr int64_t kJobs = 16;  // of an image: enough to keep many cores busy to the end

/// The largest divisor of n that is a multiple of 64 (oneDNN's block of output channels) and at
/// most `limit`; n itself where there is none, since a part of 64 is padded to 64.
int64_t block_of(int64_t n, int64_t limit) {
  for (int64_t d = limit / 64 * 64; d >= 64; d -= 64) {
    if (n % d == 0) return d;
  }
  return n;
}

/// Equal blocks of at most about `most` rows.
int64_t even_block(int64_t rows, int64_t most, int64_t multiple) {
  const int64_t even = divide_up(rows, std::max<int64_t>(1, divide_up(rows, most)));
  return divide_up(even, multiple) * multiple;
}

}  // namespace

// 320 columns: a block of 256 rows, its weights and its result share a second cache of 1 MiB.
int64_t linear_block_channels(int64_t out) {
  return block_of(out, 320);
}

// Narrow blocks where there are many channels: those layers have small planes, so that blocks of
// channels are what gives every core work, and each core then reads its own weights only.
int64_t conv_block_channels(int64_t out) {
  return block_of(out, out >= 1024 ? 64 : out >= 640 ? 128 : 320);
}

BlockShape typical_linear(DType dtype, int64_t in, int64_t block_channels) {
  return {.dtype = dtype, .is_matmul = true, .height = 256, .in = in, .out = block_channels};
}

BlockShape typical_conv(DType dtype, int64_t in, int64_t block_channels, const Conv2dParams& p) {
  return {.dtype = dtype,
          .is_matmul = false,
          .height = 8 * p.stride + p.kernel,
          .width = 64,
          .in = in,
          .out = block_channels,
          .kernel = p.kernel,
          .stride = p.stride,
          .pad_left = p.pad.left,
          .pad_right = p.pad.right};
}

std::vector<RowBlock> linear_row_blocks(const BlockShape& shape, int64_t images, int64_t rows,
                                        int64_t n_blocks) {
  int64_t most = 256;
  while (most > 64 && divide_up(rows, most) * n_blocks < kJobs) most /= 2;
  const int64_t height = even_block(rows, most, 16);
  std::vector<RowBlock> blocks;
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t r = 0; r < rows; r += height) {
      const int64_t first = image * rows + r;
      RowBlock b{
          .shape = shape, .first_input = first * shape.in, .first_output = first, .image = image};
      b.shape.height = std::min(height, rows - r);
      blocks.push_back(b);
    }
  }
  return blocks;
}

std::vector<RowBlock> conv_row_blocks(const BlockShape& shape, const Shape& x,
                                      const Conv2dParams& p, int64_t n_blocks) {
  const int64_t height = x[1], width = x[2];
  const int64_t out_h = (height + p.pad.top + p.pad.bottom - p.kernel) / p.stride + 1;
  const int64_t out_w = (width + p.pad.left + p.pad.right - p.kernel) / p.stride + 1;
  int64_t most = std::clamp<int64_t>(512 / out_w, 1, out_h);
  while (most > 1 && most * out_w > 128 && divide_up(out_h, most) * n_blocks < kJobs) {
    most = divide_up(most, 2);
  }
  const int64_t rows = even_block(out_h, most, 1);
  std::vector<RowBlock> blocks;
  for (int64_t b = 0; b < x[0]; ++b) {
    for (int64_t r = 0; r < out_h; r += rows) {
      const int64_t end = std::min(r + rows, out_h);
      const int64_t first = r * p.stride - p.pad.top;
      const int64_t last = (end - 1) * p.stride - p.pad.top + p.kernel;  // one past
      RowBlock block{.shape = shape,
                     .first_input = (b * height + std::max<int64_t>(first, 0)) * width * x[3],
                     .first_output = (b * out_h + r) * out_w,
                     .image = b};
      BlockShape& s = block.shape;
      s.pad_top = int(std::max<int64_t>(-first, 0));
      s.pad_bottom = int(std::max<int64_t>(last - height, 0));
      s.pad_left = p.pad.left;
      s.pad_right = p.pad.right;
      s.height = last - first - s.pad_top - s.pad_bottom;
      s.width = width;
      blocks.push_back(block);
    }
  }
  return blocks;
}

}  // namespace dedit::cpu

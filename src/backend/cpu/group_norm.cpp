#include "backend/cpu/group_norm.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/jobs.h"
#include "backend/cpu/product.h"

namespace dedit::cpu {
namespace {

/// Sizes and scratch of one call.
struct Work {
  int64_t images = 0, rows = 0, channels = 0, groups = 0;
  int64_t block = 0, n_blocks = 0;  // rows of a block, blocks of an image
  double* mean = nullptr;           // [images, n_blocks, groups]
  double* m2 = nullptr;             // the same
  float* affine = nullptr;          // [images, 3, channels]: mean, scale, shift
  float* sums = nullptr;            // [threads, 3, channels]
};

/// Joins the blocks' means and sums of squares in order (Chan, Golub, LeVeque 1979), then gives
/// each channel its mean, scale and shift.
void join_blocks(const Work& w, const InputNorm& norm, int64_t image) {
  const int64_t width = w.channels / w.groups;
  float* affine = w.affine + image * 3 * w.channels;
  for (int64_t g = 0; g < w.groups; ++g) {
    double count = 0, mean = 0, m2 = 0;
    for (int64_t b = 0; b < w.n_blocks; ++b) {
      const int64_t at = (image * w.n_blocks + b) * w.groups + g;
      const double n = double(std::min(w.block, w.rows - b * w.block) * width);
      const double delta = w.mean[at] - mean;
      mean += delta * n / (count + n);
      m2 += w.m2[at] + delta * delta * count * n / (count + n);
      count += n;
    }
    const float rstd = float(1.0 / std::sqrt(m2 / count + double(norm.eps)));
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      affine[c] = float(mean);
      affine[w.channels + c] = norm.gamma->data<float>()[c] * rstd;
      affine[2 * w.channels + c] = norm.beta->data<float>()[c];
    }
  }
}

}  // namespace

void group_norm(const kernels::KernelTable& table, ScratchPool& scratch, const Tensor& x,
                const InputNorm& norm, Tensor& y) {
  const kernels::Type type = kernel_type(x.dtype());
  const kernels::Activation activation = kernel_activation(norm.act);
  constexpr int64_t kElements = 1 << 15;  // a block's second reading comes from the second cache
  Work w;
  w.images = x.dim(0);
  w.channels = x.dim(-1);
  w.rows = x.numel() / (w.images * w.channels);
  w.groups = norm.groups;
  w.block = std::max<int64_t>(1, kElements / w.channels);
  w.n_blocks = divide_up(w.rows, w.block);
  const int64_t n_stats = w.images * w.n_blocks * w.groups, n_threads = num_threads();
  const ScratchPool::Lease lease(
      scratch, size_t(2 * n_stats) * sizeof(double) +
                   size_t((w.images + n_threads) * 3 * w.channels) * sizeof(float));
  w.mean = reinterpret_cast<double*>(lease.data());
  w.m2 = w.mean + n_stats;
  w.affine = reinterpret_cast<float*>(w.m2 + n_stats);
  w.sums = w.affine + w.images * 3 * w.channels;

  const auto for_blocks = [&](const auto& body) {
    parallel_for(w.images * w.n_blocks, [&](int64_t i) {
      const int64_t first = i % w.n_blocks * w.block;
      const int64_t image = i / w.n_blocks;
      const size_t at = size_t((image * w.rows + first) * w.channels) * size_of(x.dtype());
      body(i, image, std::min(w.block, w.rows - first), at);
    });
  };
  const auto* in = static_cast<const std::byte*>(x.raw());
  auto* out = static_cast<std::byte*>(y.raw());
  for_blocks([&](int64_t i, int64_t, int64_t rows, size_t at) {
    table.group_norm_stats[type]({.x = in + at,
                                  .rows = rows,
                                  .channels = w.channels,
                                  .groups = norm.groups,
                                  .mean = w.mean + i * w.groups,
                                  .m2 = w.m2 + i * w.groups,
                                  .scratch = w.sums + scratch_index(n_threads) * 3 * w.channels});
  });
  for (int64_t image = 0; image < w.images; ++image) join_blocks(w, norm, image);
  for_blocks([&](int64_t, int64_t image, int64_t rows, size_t at) {
    const float* affine = w.affine + image * 3 * w.channels;
    table.channel_affine[type]({.x = in + at,
                                .y = out + at,
                                .rows = rows,
                                .channels = w.channels,
                                .mean = affine,
                                .scale = affine + w.channels,
                                .shift = affine + 2 * w.channels,
                                .activation = activation});
  });
}

}  // namespace dedit::cpu

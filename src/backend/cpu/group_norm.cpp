#include "backend/cpu/group_norm.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/jobs.h"
#include "backend/cpu/product.h"

namespace dedit::cpu {
namespace {

constexpr int64_t kElements = 1 << 15;  // a block's second reading comes from the second cache

struct Sizes {
  int64_t images, channels, rows, groups;
  int64_t block, n_blocks;  // rows of a block, blocks of an image

  Sizes(const Tensor& x, const InputNorm& norm)
      : images(x.dim(0)),
        channels(x.dim(-1)),
        rows(x.numel() / (images * channels)),
        groups(norm.groups),
        block(std::max<int64_t>(1, kElements / channels)),
        n_blocks(divide_up(rows, block)) {}

  /// body(block, image, rows, first element)
  template <class Body>
  void for_blocks(const Body& body) const {
    parallel_for(images * n_blocks, [&](int64_t i) {
      const int64_t first = i % n_blocks * block, image = i / n_blocks;
      body(i, image, std::min(block, rows - first), size_t((image * rows + first) * channels));
    });
  }
};

/// Joins the blocks' means and sums of squares [n_blocks, groups] in order (Chan, Golub, LeVeque
/// 1979), then gives each channel its mean, scale and shift.
void join_blocks(const Sizes& s, const InputNorm& norm, const double* means, const double* m2s,
                 float* affine) {
  const int64_t width = s.channels / s.groups;
  for (int64_t g = 0; g < s.groups; ++g) {
    double count = 0, mean = 0, m2 = 0;
    for (int64_t b = 0; b < s.n_blocks; ++b) {
      const int64_t at = b * s.groups + g;
      const double n = double(std::min(s.block, s.rows - b * s.block) * width);
      const double delta = means[at] - mean;
      mean += delta * n / (count + n);
      m2 += m2s[at] + delta * delta * count * n / (count + n);
      count += n;
    }
    const float rstd = float(1.0 / std::sqrt(m2 / count + double(norm.eps)));
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      affine[c] = float(mean);
      affine[s.channels + c] = norm.gamma->data<float>()[c] * rstd;
      affine[2 * s.channels + c] = norm.beta->data<float>()[c];
    }
  }
}

}  // namespace

int64_t affine_size(const Tensor& x) {
  return x.dim(0) * 3 * x.dim(-1);
}

void group_norm_affine(const kernels::KernelTable& table, ScratchPool& scratch, const Tensor& x,
                       const InputNorm& norm, float* affine) {
  const Sizes s(x, norm);
  const kernels::Type type = kernel_type(x.dtype());
  const int64_t n_stats = s.images * s.n_blocks * s.groups, n_threads = num_threads();
  const ScratchPool::Lease lease(scratch, size_t(2 * n_stats) * sizeof(double) +
                                              size_t(n_threads * 3 * s.channels) * sizeof(float));
  auto* mean = reinterpret_cast<double*>(lease.data());
  double* m2 = mean + n_stats;
  auto* sums = reinterpret_cast<float*>(m2 + n_stats);  // [threads, 3, channels]
  const auto* in = static_cast<const std::byte*>(x.raw());
  s.for_blocks([&](int64_t i, int64_t, int64_t rows, size_t first) {
    table.group_norm_stats[type]({.x = in + first * size_of(x.dtype()),
                                  .rows = rows,
                                  .channels = s.channels,
                                  .groups = norm.groups,
                                  .mean = mean + i * s.groups,
                                  .m2 = m2 + i * s.groups,
                                  .scratch = sums + scratch_index(n_threads) * 3 * s.channels});
  });
  for (int64_t image = 0; image < s.images; ++image) {
    const int64_t first = image * s.n_blocks * s.groups;
    join_blocks(s, norm, mean + first, m2 + first, affine + image * 3 * s.channels);
  }
}

void group_norm(const kernels::KernelTable& table, ScratchPool& scratch, const Tensor& x,
                const InputNorm& norm, Tensor& y) {
  const Sizes s(x, norm);
  const kernels::Type type = kernel_type(x.dtype());
  const kernels::Activation activation = kernel_activation(norm.act);
  const ScratchPool::Lease lease(scratch, size_t(affine_size(x)) * sizeof(float));
  auto* all = reinterpret_cast<float*>(lease.data());
  group_norm_affine(table, scratch, x, norm, all);
  const auto* in = static_cast<const std::byte*>(x.raw());
  auto* out = static_cast<std::byte*>(y.raw());
  s.for_blocks([&](int64_t, int64_t image, int64_t rows, size_t first) {
    const float* affine = all + image * 3 * s.channels;
    table.channel_affine[type]({.x = in + first * size_of(x.dtype()),
                                .y = out + first * size_of(x.dtype()),
                                .rows = rows,
                                .channels = s.channels,
                                .mean = affine,
                                .scale = affine + s.channels,
                                .shift = affine + 2 * s.channels,
                                .activation = activation});
  });
}

}  // namespace dedit::cpu

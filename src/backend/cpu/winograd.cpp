#include "backend/cpu/winograd.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/group_norm.h"
#include "backend/cpu/jobs.h"
#include "backend/cpu/product.h"

namespace dedit::cpu {
namespace {

using kernels::kPanelColumns;
using kernels::kWinogradProducts;
using kernels::kWinogradTile;

// The most input channels of a chunk and tiles of a block, four full register blocks of AVX-512:
// what a product reads of both is in the second cache.
constexpr int64_t kChannels = 512, kTiles = 56;
// By tiles, the transformed weights of all channels are read once per block of tiles: from the
// third cache up to the first size, beyond it half as often, and never more than the second.
constexpr int64_t kFewestTiles = 512;
constexpr int64_t kCachedBytes = 16 << 20, kMostBytes = 40 << 20;
// By channels, transformed tiles held at a time: they are read once per block of output channels.
constexpr int64_t kTileBytes = 16 << 20;
constexpr int64_t kJobs = 8;  // work for this many cores at least, where there is enough of it
constexpr int64_t kFewestChannels = 16;

constexpr int64_t kAccSize = kWinogradTile * kWinogradTile * kPanelColumns;

/// Elements from one product to the next. A tile's 36 values are written side by side: at a
/// multiple of 4 KiB they would all fall into the same set of the first cache.
int64_t product_stride(int64_t elements) {
  return divide_up(elements, 16) * 16 + 16;
}

}  // namespace

struct Winograd::Call {
  const ConvInput& input;
  const Tensor& x;
  const Weight& w;
  const Epilogue& epilogue;
  Tensor& y;
  kernels::WinogradPlane plane;
  const float* affine = nullptr;  // of the input's norm, [images, 3, channels]
  int64_t n_blocks = 0;           // of output channels
  int64_t tiles = 0;              // of all images
  int64_t height = 0;             // tiles of a block
  int64_t chunk = 0;              // input channels of a chunk, fewer in the last
  int64_t n_chunks = 0;
  // Elements from one product to the next, of transformed tiles [block, chunk, 36, height,
  // channels], transformed weights [36, channels, 64] and sums [block, 36, height, 64].
  int64_t v_product = 0, u_product = 0, m_product = 0;

  int64_t first_tile(int64_t block) const { return block * height; }
  int64_t tiles_of(int64_t block) const { return std::min(height, tiles - block * height); }
  int64_t u_size() const { return kWinogradProducts * u_product; }
  int64_t m_block() const { return kWinogradProducts * m_product; }
  int64_t v_chunk() const { return kWinogradProducts * v_product; }
  int64_t v_block() const { return n_chunks * v_chunk(); }
  int64_t channels(int64_t i) const { return std::min(chunk, w.in - i * chunk); }
};

/// Neighbouring tile blocks.
struct Winograd::Run {
  int64_t first = 0, count = 0;
};

bool Winograd::fits(const WeightView& weight, const Conv2dParams& p) {
  return p.kernel == 3 && p.stride == 1 && p.pad.top == 1 && p.pad.left == 1 && p.pad.bottom == 1 &&
         p.pad.right == 1 && weight.shape[0] >= kPanelColumns / 2 &&
         weight.shape[1] >= kFewestChannels;
}

PackedWeightPtr Winograd::pack(const WeightView& weight, const WeightView& bias) {
  auto w = std::make_shared<Weight>();
  w->out = weight.shape[0];
  w->in = weight.shape[1];
  w->rows = StoredRows({&weight, 1}, {&bias, 1});
  w->bytes = w->rows.bytes();
  return w;
}

void Winograd::transform_tiles(const Call& call, int64_t first_block, int64_t n_blocks,
                               float* v) const {
  const auto kernel = table_.winograd_input[kernel_type(call.x.dtype())];
  const int64_t first = first_block * call.height;
  const int64_t count = std::min(n_blocks * call.height, call.tiles - first);
  const int64_t per_image = call.plane.tiles(), size = int64_t(size_of(call.x.dtype()));
  const int64_t channels = call.w.in, image_bytes = call.x.numel() / call.x.dim(0) * size;
  const auto* x = static_cast<const std::byte*>(call.x.raw());
  parallel_for(count, [&](int64_t i) {
    const int64_t tile = first + i, image = tile / per_image;
    float* block = v + i / call.height * call.v_block();
    for (int64_t c = 0; c < call.n_chunks; ++c) {
      const int64_t at = c * call.chunk;
      kernels::WinogradInputArgs a{
          .x = x + image * image_bytes + at * size,
          .plane = call.plane,
          .is_doubled = call.input.upsample2x,
          .channels = channels,
          .count = call.channels(c),
          .tile = tile % per_image,
          .v = block + c * call.v_chunk() + i % call.height * call.channels(c),
          .v_product = call.v_product};
      if (call.affine) {
        a.mean = call.affine + image * 3 * channels + at;
        a.scale = a.mean + channels;
        a.shift = a.scale + channels;
        a.activation = kernel_activation(call.input.norm->act);
      }
      kernel(a);
    }
  });
}

/// Biases, activation and residual of one tile's pixels by one block of channels.
void Winograd::finish_tile(const Call& call, int64_t tile, int64_t out_block,
                           const float* acc) const {
  const int64_t image = tile / call.plane.tiles(), in_image = tile % call.plane.tiles();
  const int64_t top = in_image / call.plane.tiles_wide() * kWinogradTile;
  const int64_t left = in_image % call.plane.tiles_wide() * kWinogradTile;
  const int64_t channel = out_block * kPanelColumns;
  kernels::EpilogueArgs a = epilogue_args(call.epilogue, call.y, image, channel);
  a.bias = call.w.rows.bias() + channel;
  a.acc_row = kPanelColumns;
  a.rows = std::min(kWinogradTile, call.plane.width - left);
  a.cols = std::min(kPanelColumns, call.w.out - channel);
  const size_t size = size_of(call.y.dtype());
  for (int64_t row = top; row < std::min(top + kWinogradTile, call.plane.height); ++row) {
    kernels::EpilogueArgs r = a;
    r.acc = acc + (row - top) * kWinogradTile * kPanelColumns;
    const int64_t pixel = (image * call.plane.height + row) * call.plane.width + left;
    const size_t offset = size_t(pixel * call.w.out) * size;
    r.y = static_cast<std::byte*>(a.y) + offset;
    if (a.residual) r.residual = static_cast<const std::byte*>(a.residual) + offset;
    table_.epilogue[kernel_type(call.y.dtype())](r);
  }
}

void Winograd::transform_weights(const Call& call, int64_t out_block, int64_t chunk,
                                 float* u) const {
  kernels::WeightRows rows;
  const int64_t first = out_block * kPanelColumns;
  call.w.rows.fill(first, 0, std::min(kPanelColumns, call.w.out - first), rows);
  table_.winograd_weights[call.w.rows.type()]({.rows = &rows,
                                               .first = chunk * call.chunk,
                                               .count = call.channels(chunk),
                                               .u = u,
                                               .u_product = call.u_product});
}

/// The products of a block of tiles, whose transform starts at v, with the weights u of a chunk.
void Winograd::multiply_chunk(const Call& call, int64_t block, int64_t chunk, const float* v,
                              const float* u, float* m) const {
  table_.winograd_products({.v = v + chunk * call.v_chunk(),
                            .u = u,
                            .m = m,
                            .v_product = call.v_product,
                            .u_product = call.u_product,
                            .m_product = call.m_product,
                            .tiles = call.tiles_of(block),
                            .count = call.channels(chunk),
                            .add = chunk > 0});
}

void Winograd::finish_block(const Call& call, int64_t block, int64_t out_block, const float* m,
                            float* acc) const {
  for (int64_t t = 0; t < call.tiles_of(block); ++t) {
    table_.winograd_output({.m = m + t * kPanelColumns, .m_product = call.m_product, .acc = acc});
    finish_tile(call, call.first_tile(block) + t, out_block, acc);
  }
}

/// One block of output channels for a run of tile blocks, whose transformed tiles start at v.
void Winograd::multiply(const Call& call, int64_t out_block, const Run& run, const float* v,
                        float* scratch) const {
  float* acc = scratch;
  float* u = acc + kAccSize;
  float* m = u + call.u_size();
  for (int64_t c = 0; c < call.n_chunks; ++c) {
    transform_weights(call, out_block, c, u);
    for (int64_t b = 0; b < run.count; ++b) {
      multiply_chunk(call, run.first + b, c, v + b * call.v_block(), u, m + b * call.m_block());
    }
  }
  for (int64_t b = 0; b < run.count; ++b) {
    finish_block(call, run.first + b, out_block, m + b * call.m_block(), acc);
  }
}

/// Many tiles, few channels: a job takes a block of tiles through all output channels, so that
/// transformed tiles never leave the second cache; the transformed weights stay in the third.
void Winograd::run_by_tiles(Call& call) {
  const int64_t n_blocks = divide_up(call.tiles, call.height), n_threads = num_threads();
  const int64_t u_block = call.n_chunks * call.u_size();
  const int64_t per_thread = kAccSize + call.v_block() + call.m_block();
  const ScratchPool::Lease lease(
      scratch_, size_t(call.n_blocks * u_block + n_threads * per_thread) * sizeof(float));
  auto* u = reinterpret_cast<float*>(lease.data());
  float* threads = u + call.n_blocks * u_block;
  run_jobs(call.n_blocks * call.n_chunks, [&](int64_t i) {
    transform_weights(call, i / call.n_chunks, i % call.n_chunks, u + i * call.u_size());
  });
  run_jobs(n_blocks, [&](int64_t block) {
    float* acc = threads + scratch_index(n_threads) * per_thread;
    float* m = acc + kAccSize;
    float* v = m + call.m_block();
    transform_tiles(call, block, 1, v);
    for (int64_t b = 0; b < call.n_blocks; ++b) {
      for (int64_t c = 0; c < call.n_chunks; ++c) {
        multiply_chunk(call, block, c, v, u + b * u_block + c * call.u_size(), m);
      }
      finish_block(call, block, b, m, acc);
    }
  });
}

/// Few tiles, many channels: a job takes a block of output channels and a run of tile blocks, so
/// that the weights it transforms serve them all.
void Winograd::run_by_channels(Call& call) {
  const int64_t n_tile_blocks = divide_up(call.tiles, call.height);
  const int64_t block_bytes = call.v_block() * int64_t(sizeof(float));
  const int64_t group = std::clamp<int64_t>(kTileBytes / block_bytes, 1, n_tile_blocks);
  const int64_t n_runs = std::min(group, divide_up(kJobs, call.n_blocks));
  const int64_t longest = divide_up(group, n_runs);
  const int64_t n_threads = num_threads(), v_size = group * call.v_block();
  const int64_t per_thread = kAccSize + call.u_size() + longest * call.m_block();
  const ScratchPool::Lease lease(scratch_, size_t(v_size + n_threads * per_thread) * sizeof(float));
  auto* v = reinterpret_cast<float*>(lease.data());
  for (int64_t first = 0; first < n_tile_blocks; first += group) {
    const int64_t count = std::min(group, n_tile_blocks - first);
    transform_tiles(call, first, count, v);
    run_jobs(n_runs * call.n_blocks, [&](int64_t job) {
      const int64_t i = job % n_runs, begin = std::min(count, i * longest);
      const Run run{first + begin, std::min(longest, count - begin)};
      float* scratch = v + v_size + scratch_index(n_threads) * per_thread;
      multiply(call, job / n_runs, run, v + begin * call.v_block(), scratch);
    });
  }
}

void Winograd::conv2d(const ConvInput& input, const Weight& w, const Epilogue& epilogue,
                      Tensor& y) {
  const Tensor& x = *input.x;
  kernel_type(x.dtype());  // throws here rather than in a job
  Call call{
      .input = input, .x = x, .w = w, .epilogue = epilogue, .y = y, .plane = {y.dim(1), y.dim(2)}};
  call.n_blocks = divide_up(w.out, kPanelColumns);
  call.tiles = x.dim(0) * call.plane.tiles();
  call.n_chunks = divide_up(w.in, kChannels);
  call.chunk = divide_up(w.in, call.n_chunks);
  call.u_product = product_stride(call.chunk * kPanelColumns);
  const int64_t u_bytes = call.n_blocks * call.n_chunks * call.u_size() * int64_t(sizeof(float));
  const bool by_tiles = call.tiles >= kFewestTiles && u_bytes <= kMostBytes;
  const int64_t most = by_tiles && u_bytes <= kCachedBytes ? kTiles / 2 : kTiles;
  const int64_t n_tile_blocks = divide_up(call.tiles, most);
  call.height = divide_up(call.tiles, by_tiles ? divide_up(n_tile_blocks, 4) * 4 : n_tile_blocks);
  call.v_product = product_stride(call.height * call.chunk);
  call.m_product = product_stride(call.height * kPanelColumns);
  const ScratchPool::Lease lease(scratch_, input.norm ? size_t(affine_size(x)) * sizeof(float) : 0);
  if (input.norm) {
    auto* affine = reinterpret_cast<float*>(lease.data());
    group_norm_affine(table_, scratch_, x, *input.norm, affine);
    call.affine = affine;
  }
  by_tiles ? run_by_tiles(call) : run_by_channels(call);
}

}  // namespace dedit::cpu

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

// The most input channels of a chunk and tiles of a block, four full register blocks of AVX-512:
// what a product reads of both is in the second cache.
constexpr int64_t kChannels = 512, kTiles = 56;
// By tiles, the transformed weights of all channels are held, and read once per block of tiles.
constexpr int64_t kFewestTiles = 512, kMostBytes = 40 << 20;
// Outputs of more bytes are written past the caches, where the next layer would not find them.
constexpr size_t kStreamedBytes = 16 << 20;
// By channels, transformed tiles held at a time: they are read once per block of output channels.
constexpr int64_t kTileBytes = 16 << 20;
constexpr int64_t kJobs = 8;  // work for this many cores at least, where there is enough of it
constexpr int64_t kFewestChannels = 16;

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
  // channels] and of sums [block, 36, height, 64].
  int64_t v_product = 0, m_product = 0;

  int64_t first_tile(int64_t block) const { return block * height; }
  int64_t tiles_of(int64_t block) const { return std::min(height, tiles - block * height); }
  int64_t m_block() const { return kWinogradProducts * m_product; }
  int64_t v_chunk() const { return kWinogradProducts * v_product; }
  int64_t v_block() const { return n_chunks * v_chunk(); }
  int64_t channels(int64_t i) const { return std::min(chunk, w.in - i * chunk); }
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

/// u[p] of a block of output channels, u_product elements apart.
void Winograd::transform_weights(const Call& call, int64_t out_block, int64_t chunk, float* u,
                                 int64_t u_product) const {
  kernels::WeightRows rows;
  const int64_t first = out_block * kPanelColumns;
  call.w.rows.fill(first, 0, std::min(kPanelColumns, call.w.out - first), rows);
  table_.winograd_weights[call.w.rows.type()]({.rows = &rows,
                                               .first = chunk * call.chunk,
                                               .count = call.channels(chunk),
                                               .u = u,
                                               .u_product = u_product});
}

/// The product p of a block of tiles, whose transform starts at v, with a block of weights.
void Winograd::multiply(const Call& call, int64_t tile_block, int64_t chunk, int64_t p,
                        const float* v, const float* u, float* m) const {
  const int64_t channels = call.channels(chunk);
  table_.panel_products[kernels::kTypeF32]({.x = v + chunk * call.v_chunk() + p * call.v_product,
                                            .x_row = channels,
                                            .u = u,
                                            .m = m + p * call.m_product,
                                            .rows = call.tiles_of(tile_block),
                                            .count = channels,
                                            .add = chunk > 0});
}

/// The output of a block of tiles by a block of channels, image by image.
void Winograd::finish(const Call& call, int64_t tile_block, int64_t out_block,
                      const float* m) const {
  const int64_t per_image = call.plane.tiles(), channel = out_block * kPanelColumns;
  const int64_t end = call.first_tile(tile_block) + call.tiles_of(tile_block);
  const int64_t image_size = call.plane.height * call.plane.width * call.w.out;
  for (int64_t first = call.first_tile(tile_block); first < end;) {
    const int64_t image = first / per_image;
    const int64_t count = std::min(end, (image + 1) * per_image) - first;
    const kernels::EpilogueArgs e = epilogue_args(call.epilogue, call.y, image, channel);
    const size_t offset = size_t(image * image_size) * size_of(call.y.dtype());
    kernels::WinogradOutputArgs a{.m = m,
                                  .m_product = call.m_product,
                                  .plane = call.plane,
                                  .first_tile = first % per_image,
                                  .tiles = count,
                                  .channels = call.w.out,
                                  .count = std::min(kPanelColumns, call.w.out - channel),
                                  .bias = call.w.rows.bias() + channel,
                                  .row_bias = e.row_bias,
                                  .y = static_cast<std::byte*>(e.y) + offset,
                                  .activation = e.activation,
                                  .streams = call.y.bytes() > kStreamedBytes};
    if (e.residual) a.residual = static_cast<const std::byte*>(e.residual) + offset;
    table_.winograd_output[kernel_type(call.y.dtype())](a);
    first += count;
    m += count * kPanelColumns;
  }
}

/// Few tiles, many channels: a job takes a block of output channels and a run of tile blocks, so
/// that the weights it transforms serve them all.
void Winograd::run_by_channels(const Call& call) {
  const int64_t n_tile_blocks = divide_up(call.tiles, call.height);
  const int64_t block_bytes = call.v_block() * int64_t(sizeof(float));
  const int64_t group = std::clamp<int64_t>(kTileBytes / block_bytes, 1, n_tile_blocks);
  const int64_t n_runs = std::min(group, divide_up(kJobs, call.n_blocks));
  const int64_t longest = divide_up(group, n_runs);
  const int64_t n_threads = num_threads(), v_size = group * call.v_block();
  const int64_t u_product = product_stride(call.chunk * kPanelColumns);
  const int64_t u_size = kWinogradProducts * u_product;
  const int64_t per_thread = u_size + longest * call.m_block();
  const ScratchPool::Lease lease(scratch_, size_t(v_size + n_threads * per_thread) * sizeof(float));
  auto* v = reinterpret_cast<float*>(lease.data());
  for (int64_t first = 0; first < n_tile_blocks; first += group) {
    const int64_t count = std::min(group, n_tile_blocks - first);
    transform_tiles(call, first, count, v);
    run_jobs(n_runs * call.n_blocks, [&](int64_t job) {
      const int64_t run = job % n_runs * longest, out_block = job / n_runs;
      const int64_t end = std::min(run + longest, count);
      float* u = v + v_size + scratch_index(n_threads) * per_thread;
      float* m = u + u_size;
      for (int64_t c = 0; c < call.n_chunks && run < end; ++c) {
        transform_weights(call, out_block, c, u, u_product);
        for (int64_t b = run; b < end; ++b) {
          for (int64_t p = 0; p < kWinogradProducts; ++p) {
            multiply(call, first + b, c, p, v + b * call.v_block(), u + p * u_product,
                     m + (b - run) * call.m_block());
          }
        }
      }
      for (int64_t b = run; b < end; ++b) {
        finish(call, first + b, out_block, m + (b - run) * call.m_block());
      }
    });
  }
}

/// Many tiles, few channels: a job takes a block of tiles through all channels. A product's tiles
/// stay in the second cache while all its weights pass by.
void Winograd::run_by_tiles(const Call& call) {
  const int64_t n_tile_blocks = divide_up(call.tiles, call.height), n_threads = num_threads();
  const int64_t u_block = call.chunk * kPanelColumns;
  const int64_t u_product = product_stride(call.n_blocks * u_block);
  const int64_t u_chunk = kWinogradProducts * u_product, u_size = call.n_chunks * u_chunk;
  const int64_t per_thread = call.v_block() + call.n_blocks * call.m_block();
  const ScratchPool::Lease lease(scratch_, size_t(u_size + n_threads * per_thread) * sizeof(float));
  auto* u = reinterpret_cast<float*>(lease.data());
  run_jobs(call.n_blocks * call.n_chunks, [&](int64_t i) {
    const int64_t c = i / call.n_blocks, b = i % call.n_blocks;
    transform_weights(call, b, c, u + c * u_chunk + b * u_block, u_product);
  });
  run_jobs(n_tile_blocks, [&](int64_t block) {
    float* v = u + u_size + scratch_index(n_threads) * per_thread;
    float* m = v + call.v_block();
    transform_tiles(call, block, 1, v);
    for (int64_t c = 0; c < call.n_chunks; ++c) {
      for (int64_t p = 0; p < kWinogradProducts; ++p) {
        const float* weights = u + c * u_chunk + p * u_product;
        for (int64_t b = 0; b < call.n_blocks; ++b) {
          multiply(call, block, c, p, v, weights + b * u_block, m + b * call.m_block());
        }
      }
    }
    for (int64_t b = 0; b < call.n_blocks; ++b) finish(call, block, b, m + b * call.m_block());
  });
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
  const int64_t u_bytes = kWinogradProducts * call.n_blocks * kPanelColumns * w.in * 4;
  const bool by_tiles = call.tiles >= kFewestTiles && u_bytes <= kMostBytes;
  const int64_t n_tile_blocks = divide_up(call.tiles, kTiles);
  // By tiles, these are the jobs: an even number for any usual number of cores.
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

#include "backend/cpu/winograd.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/convert.h"
#include "backend/cpu/jobs.h"
#include "backend/cpu/product.h"

namespace dedit::cpu {
namespace {

using kernels::kWinogradColumns;
using kernels::kWinogradProducts;
using kernels::kWinogradTile;

// Tiles of a block, four full register blocks of AVX-512, and the most input channels of a chunk:
// what a product reads of both is in the second cache, and its sums stay in registers.
constexpr int64_t kTiles = 56;
constexpr int64_t kChannels = 512;
// Transformed tiles held at a time: they are read once per block of output channels.
constexpr int64_t kTileBytes = 16 << 20;
constexpr int64_t kJobs = 8;  // work for this many cores at least, where there is enough of it
constexpr int64_t kFewestChannels = 16;

constexpr int64_t kAccSize = kWinogradTile * kWinogradTile * kWinogradColumns;

/// Elements from one product to the next. A tile's 36 values are written side by side: at a
/// multiple of 4 KiB they would all fall into the same set of the first cache.
int64_t product_stride(int64_t elements) {
  return divide_up(elements, 16) * 16 + 16;
}

}  // namespace

struct Winograd::Call {
  const Tensor& x;
  const Weight& w;
  const Epilogue& epilogue;
  Tensor& y;
  kernels::WinogradPlane plane;
  int64_t tiles = 0;   // of all images
  int64_t height = 0;  // tiles of a block
  int64_t chunk = 0;   // input channels of a chunk, fewer in the last
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
         p.pad.right == 1 && weight.shape[0] >= kWinogradColumns / 2 &&
         weight.shape[1] >= kFewestChannels;
}

PackedWeightPtr Winograd::pack(const WeightView& weight, const WeightView& bias,
                               DType compute) const {
  auto w = std::make_shared<Weight>();
  w->out = weight.shape[0];
  w->in = weight.shape[1];
  w->dtype = compute == DType::kBF16 ? DType::kBF16 : DType::kF32;
  w->n_blocks = divide_up(w->out, kWinogradColumns);
  const int64_t block = w->in * 9 * kWinogradColumns;
  w->bytes = size_t(w->n_blocks * block) * size_of(w->dtype);
  w->values = make_host_array<std::byte>(w->bytes);
  w->bias = make_host_array<float>(size_t(w->n_blocks * kWinogradColumns));
  std::fill_n(w->bias.get(), w->n_blocks * kWinogradColumns, 0.0f);
  if (bias) read_f32(bias, 0, w->out, w->bias.get());
  run_jobs(w->n_blocks, [&](int64_t b) {
    const int64_t first = b * kWinogradColumns, length = w->in * 9;
    const int64_t count = std::min(kWinogradColumns, w->out - first);
    std::vector<float> rows(size_t(count * length)), columns(size_t(block), 0.0f);
    read_f32(weight, first * length, count * length, rows.data());
    for (int64_t o = 0; o < count; ++o) {
      for (int64_t i = 0; i < length; ++i) {
        columns[size_t(i * kWinogradColumns + o)] = rows[size_t(o * length + i)];
      }
    }
    convert(table_, columns.data(), DType::kF32,
            w->values.get() + size_t(b * block) * size_of(w->dtype), w->dtype, block);
  });
  return w;
}

void Winograd::transform_tiles(const Call& call, int64_t first_block, int64_t n_blocks,
                               float* v) const {
  const auto kernel = table_.winograd_input[kernel_type(call.x.dtype())];
  const int64_t first = first_block * call.height;
  const int64_t count = std::min(n_blocks * call.height, call.tiles - first);
  const int64_t per_image = call.plane.tiles(), size = int64_t(size_of(call.x.dtype()));
  const int64_t image_bytes = call.plane.height * call.plane.width * call.w.in * size;
  const auto* x = static_cast<const std::byte*>(call.x.raw());
  parallel_for(count, [&](int64_t i) {
    const int64_t tile = first + i;
    float* block = v + i / call.height * call.v_block();
    for (int64_t c = 0; c < call.n_chunks; ++c) {
      const int64_t channels = call.channels(c);
      kernel({.x = x + tile / per_image * image_bytes + c * call.chunk * size,
              .plane = call.plane,
              .channels = call.w.in,
              .count = channels,
              .tile = tile % per_image,
              .v = block + c * call.v_chunk() + i % call.height * channels,
              .v_product = call.v_product});
    }
  });
}

/// Biases, activation and residual of one tile's pixels by one block of channels.
void Winograd::finish_tile(const Call& call, int64_t tile, int64_t out_block,
                           const float* acc) const {
  const int64_t image = tile / call.plane.tiles(), in_image = tile % call.plane.tiles();
  const int64_t top = in_image / call.plane.tiles_wide() * kWinogradTile;
  const int64_t left = in_image % call.plane.tiles_wide() * kWinogradTile;
  const int64_t channel = out_block * kWinogradColumns;
  kernels::EpilogueArgs a = epilogue_args(call.epilogue, call.y, image, channel);
  a.bias = call.w.bias.get() + channel;
  a.acc_row = kWinogradColumns;
  a.rows = std::min(kWinogradTile, call.plane.width - left);
  a.cols = std::min(kWinogradColumns, call.w.out - channel);
  const size_t size = size_of(call.y.dtype());
  for (int64_t row = top; row < std::min(top + kWinogradTile, call.plane.height); ++row) {
    kernels::EpilogueArgs r = a;
    r.acc = acc + (row - top) * kWinogradTile * kWinogradColumns;
    const int64_t pixel = (image * call.plane.height + row) * call.plane.width + left;
    const size_t offset = size_t(pixel * call.w.out) * size;
    r.y = static_cast<std::byte*>(a.y) + offset;
    if (a.residual) r.residual = static_cast<const std::byte*>(a.residual) + offset;
    table_.epilogue[kernel_type(call.y.dtype())](r);
  }
}

/// One block of output channels for a run of tile blocks, whose transformed tiles start at v.
void Winograd::multiply(const Call& call, int64_t out_block, const Run& run, const float* v,
                        float* scratch) const {
  const Weight& w = call.w;
  const size_t weight_row = size_t(9 * kWinogradColumns) * size_of(w.dtype);
  float* acc = scratch;
  float* u = acc + kAccSize;
  float* m = u + call.u_size();
  for (int64_t c = 0; c < call.n_chunks; ++c) {
    const int64_t channels = call.channels(c);
    table_.winograd_weights[kernel_type(w.dtype)](
        {.w = w.values.get() + size_t(out_block * w.in + c * call.chunk) * weight_row,
         .count = channels,
         .u = u,
         .u_product = call.u_product});
    for (int64_t b = 0; b < run.count; ++b) {
      table_.winograd_products({.v = v + b * call.v_block() + c * call.v_chunk(),
                                .u = u,
                                .m = m + b * call.m_block(),
                                .v_product = call.v_product,
                                .u_product = call.u_product,
                                .m_product = call.m_product,
                                .tiles = call.tiles_of(run.first + b),
                                .count = channels,
                                .add = c > 0});
    }
  }
  for (int64_t b = 0; b < run.count; ++b) {
    for (int64_t t = 0; t < call.tiles_of(run.first + b); ++t) {
      table_.winograd_output({.m = m + b * call.m_block() + t * kWinogradColumns,
                              .m_product = call.m_product,
                              .acc = acc});
      finish_tile(call, call.first_tile(run.first + b) + t, out_block, acc);
    }
  }
}

void Winograd::conv2d(const Tensor& x, const Weight& w, const Epilogue& epilogue, Tensor& y) {
  Call call{.x = x, .w = w, .epilogue = epilogue, .y = y, .plane = {x.dim(1), x.dim(2)}};
  call.tiles = x.dim(0) * call.plane.tiles();
  call.height = divide_up(call.tiles, divide_up(call.tiles, kTiles));
  call.n_chunks = divide_up(w.in, kChannels);
  call.chunk = divide_up(w.in, call.n_chunks);
  call.v_product = product_stride(call.height * call.chunk);
  call.u_product = product_stride(call.chunk * kWinogradColumns);
  call.m_product = product_stride(call.height * kWinogradColumns);
  const int64_t n_blocks = divide_up(call.tiles, call.height);
  const int64_t block_bytes = call.v_block() * int64_t(sizeof(float));
  const int64_t group = std::clamp<int64_t>(kTileBytes / block_bytes, 1, n_blocks);
  // A job takes a block of output channels and a run of tile blocks, so that the weights it
  // transforms serve them all.
  const int64_t n_runs = std::min(group, divide_up(kJobs, w.n_blocks));
  const int64_t longest = divide_up(group, n_runs);

  const int64_t n_threads = num_threads(), v_size = group * call.v_block();
  const int64_t per_thread = kAccSize + call.u_size() + longest * call.m_block();
  const ScratchPool::Lease lease(scratch_, size_t(v_size + n_threads * per_thread) * sizeof(float));
  auto* v = reinterpret_cast<float*>(lease.data());
  for (int64_t first = 0; first < n_blocks; first += group) {
    const int64_t count = std::min(group, n_blocks - first);
    transform_tiles(call, first, count, v);
    run_jobs(n_runs * w.n_blocks, [&](int64_t job) {
      const int64_t i = job % n_runs, begin = std::min(count, i * longest);
      const Run run{first + begin, std::min(longest, count - begin)};
      float* scratch = v + v_size + scratch_index(n_threads) * per_thread;
      multiply(call, job / n_runs, run, v + begin * call.v_block(), scratch);
    });
  }
}

}  // namespace dedit::cpu

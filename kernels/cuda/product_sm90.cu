#include "cuda/product_sm90.h"
#include "cuda/product_sm90_kernel.h"

namespace dedit::cuda {
namespace {

using sm90::Finish;
using sm90::Job;
using sm90::Ring;

constexpr int kCluster = 2;

constexpr ProductTile tile_of(int n, double rate, int resident, bool geglu, bool activated) {
  return {.m = kSm90Rows,
          .n = n,
          .k = kSm90Channels,
          .rate = rate,
          .resident = resident,
          .geglu = geglu,
          .activated = activated,
          .cluster = kCluster};
}

constexpr ProductTile kTiles[] = {
    tile_of(256, 1800, Ring<256>::kResident, true, false),
    tile_of(192, 1750, Ring<192>::kResident, true, false),
    tile_of(160, 1700, Ring<160>::kResident, false, false),
    tile_of(128, 1600, Ring<128>::kResident, true, true),
    tile_of(64, 1200, Ring<64>::kResident, false, true),
};

TensorMap map_of_pixels(const ProductArgs& a, const Sm90Layout& l, const void* x,
                        int64_t channels) {
  const Sm90Patch& p = l.patch;
  return tensor_map({.base = x,
                     .type = a.type,
                     .sizes = {channels, l.source_width, l.source_height, l.images},
                     .box = {kSm90Channels, l.stride << p.log_width, l.stride << p.log_height,
                             kSm90Rows >> (p.log_width + p.log_height)},
                     .step = {1, l.stride, l.stride, 1}});
}

// Boxes are half a tile's rows of weights.
TensorMap map_of_weights(const ProductArgs& a, int tile_n) {
  return tensor_map({.base = a.weights,
                     .type = a.type,
                     .sizes = {a.channels + a.channels2, int64_t(a.kernel) * a.kernel, a.out, 1},
                     .box = {kSm90Channels, 1, tile_n / 2, 1}});
}

template <class T, int kN, Finish kFinish>
void run(Stream stream, const ProductArgs& a, const Sm90Layout& l, float* partial) {
  const TensorMap x = map_of_pixels(a, l, a.x, a.channels);
  const TensorMap x2 = a.channels2 > 0 ? map_of_pixels(a, l, a.x2, a.channels2) : x;
  const int clusters = a.multiprocessors * Ring<kN>::kResident / l.cluster;
  const int blocks = std::min(l.items(), std::max(1, clusters)) * l.cluster;
  launch(stream,
         {.blocks = dim3(unsigned(blocks)),
          .threads = Ring<kN>::kThreads,
          .shared_bytes = size_t(Ring<kN>::kBytes),
          .cluster = l.cluster},
         sm90::product_kernel<T, kN, kFinish>, x, x2, map_of_weights(a, kN),
         Job<T>{.layout = l, .end = epilogue_of<T>(a), .partial = partial});
}

template <class T>
void run(Stream stream, const ProductArgs& a, const Sm90Layout& l, int tile_n, float* partial) {
  const auto key = [](int n, Finish finish) { return n * 4 + int(finish); };
  const bool linear = partial || (!a.geglu && a.activation == Activation::kNone);
  const Finish finish = linear ? Finish::kLinear : a.geglu ? Finish::kGeglu : Finish::kActivated;
  switch (key(tile_n, finish)) {
    case key(256, Finish::kLinear):
      return run<T, 256, Finish::kLinear>(stream, a, l, partial);
    case key(192, Finish::kLinear):
      return run<T, 192, Finish::kLinear>(stream, a, l, partial);
    case key(160, Finish::kLinear):
      return run<T, 160, Finish::kLinear>(stream, a, l, partial);
    case key(128, Finish::kLinear):
      return run<T, 128, Finish::kLinear>(stream, a, l, partial);
    case key(64, Finish::kLinear):
      return run<T, 64, Finish::kLinear>(stream, a, l, partial);
    case key(128, Finish::kActivated):
      return run<T, 128, Finish::kActivated>(stream, a, l, partial);
    case key(64, Finish::kActivated):
      return run<T, 64, Finish::kActivated>(stream, a, l, partial);
    case key(256, Finish::kGeglu):
      return run<T, 256, Finish::kGeglu>(stream, a, l, partial);
    case key(192, Finish::kGeglu):
      return run<T, 192, Finish::kGeglu>(stream, a, l, partial);
    default:
      return run<T, 128, Finish::kGeglu>(stream, a, l, partial);
  }
}

}  // namespace

bool product_sm90_fits(const ProductArgs& a) {
  constexpr int64_t kMost = int64_t{1} << 31;
  const int64_t channels = a.channels + a.channels2, columns = a.geglu ? a.out / 2 : a.out;
  const int64_t steps =
      divide_up(a.channels, kSm90Channels) + divide_up(a.channels2, kSm90Channels);
  // At most half of what is multiplied may be zeros that fill up 64 channels.
  return a.capability == 90 && a.type != Type::kF32 && a.channels % 8 == 0 &&
         a.channels2 % 8 == 0 && columns % 8 == 0 && steps * kSm90Channels <= 2 * channels &&
         (a.stride == 1 || (a.stride == 2 && !a.upsample2x)) &&
         a.batch * a.out_height * a.out_width < kMost;
}

std::span<const ProductTile> sm90_tiles() {
  return kTiles;
}

void product_sm90(Stream stream, const ProductArgs& a, const ProductPlan& plan, float* partial) {
  const int tile_n = kTiles[size_t(plan.tile)].n;
  Sm90Layout l = layout_of(a);
  l.cluster = l.row_tiles() > 1 ? kCluster : 1;
  l.parts = plan.split;
  l.part_steps = plan.steps;
  const bool geglu = a.geglu && plan.split == 1;
  l.column_tiles = int(geglu ? divide_up(a.out / 2, tile_n / 2) : divide_up(a.out, tile_n));
  if (plan.split == 1) partial = nullptr;
  if (a.type == Type::kBF16) {
    run<Bf16>(stream, a, l, tile_n, partial);
  } else {
    run<F16>(stream, a, l, tile_n, partial);
  }
}

}  // namespace dedit::cuda

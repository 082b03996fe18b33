#include "cuda/product_sm90.h"
#include "cuda/product_sm90_store.h"
#include "cuda/tma.h"
#include "cuda/wgmma.h"

namespace dedit::cuda {
namespace {

// Two warpgroups multiply, 64 rows of the tile each; the first thread after them fetches.
constexpr int kGroup = 128, kMultiply = 2 * kGroup, kWarps = kMultiply / 32, kRowBytes = 128;
// A thread's, where the fetching warpgroup gives some away.
constexpr int kFetchRegisters = 40, kMultiplyRegisters = 232;

// The ring of shared memory between them: a slot holds the operands of one step.
template <int kN>
struct Ring {
  static constexpr int kStages = kN == 64 ? 4 : kN == 128 ? 6 : kN == 160 ? 6 : kN == 192 ? 5 : 4;
  static constexpr int kLeft = kSm90Rows * kRowBytes, kRight = kN * kRowBytes;
  static constexpr int kSlot = kLeft + kRight;
  static constexpr int kBytes = kStages * (kSlot + 2 * int(sizeof(uint64_t)));
  // Small tiles leave room for a second block, whose products hide how the first one stores. In
  // large ones a whole warpgroup fetches, which has registers to give away.
  static constexpr int kResident = kN == 64 ? 2 : 1;
  static constexpr bool kGives = kResident == 1;
  static constexpr int kThreads = kMultiply + (kGives ? kGroup : 32);

  std::byte* slots = dynamic_shared();
  int stage = 0, phase = 0;

  __device__ std::byte* left() const { return slots + stage * kSlot; }
  __device__ std::byte* right() const { return left() + kLeft; }
  // Full: the slot's bytes are there. Empty: every warp that multiplies is done with it.
  __device__ uint64_t* full() const {
    return reinterpret_cast<uint64_t*>(slots + kStages * kSlot) + stage;
  }
  __device__ uint64_t* empty() const { return full() + kStages; }
  __device__ void next() {
    if (++stage == kStages) {
      stage = 0;
      phase ^= 1;
    }
  }
};

// What follows the sums: biases and residual, or parts of sums; also an activation; GEGLU.
enum class Finish { kLinear, kActivated, kGeglu };

template <class T>
struct Job {
  Sm90Layout layout;
  Epilogue<T> end;
  float* partial;  // null unless the sum is split
};

// The items of a cluster: every so many, so that the operands of the next one are fetched while one
// is being stored.
struct Turns {
  int at;
  __device__ explicit Turns(const Sm90Layout& l) : at(int(blockIdx.x) / l.cluster) {}
  __device__ void next(const Sm90Layout& l) { at += int(gridDim.x) / l.cluster; }
};

template <class T, int kN, Finish kFinish>
__device__ void fetch(const TensorMap* x, const TensorMap* x2, const TensorMap* weights,
                      const Job<T>& job) {
  constexpr int kHalf = kN / 2;
  const Sm90Layout& l = job.layout;
  const int rank = cluster_rank();
  Ring<kN> ring;
  for (Turns turn(l); turn.at < l.items(); turn.next(l)) {
    const Sm90Item item = item_of(l, turn.at, rank);
    // With GEGLU the second half of a tile are the gates of the first.
    const int column = item.column_tile * (kFinish == Finish::kGeglu ? kHalf : kN);
    const int second_half = column + (kFinish == Finish::kGeglu ? job.end.columns : kHalf);
    const int first = item.part * l.part_steps;
    const int steps = l.steps_of(item.part);
    Sm90Step s = step_of(l, first);
    for (int step = 0; step < steps; ++step, next_step(l, s), ring.next()) {
      const bool of_x2 = s.block >= l.blocks;
      const int channel = (of_x2 ? s.block - l.blocks : s.block) * kSm90Channels;
      const int across = source_at(l, item.x, item.parity_x, s.tap_x, l.pad_left);
      const int down = source_at(l, item.y, item.parity_y, s.tap_y, l.pad_top);
      const int of_weights = of_x2 ? l.channels + channel : channel;
      const int tap = s.tap_y * l.kernel + s.tap_x;
      barrier_wait(ring.empty(), ring.phase ^ 1);
      barrier_arrive_expecting(ring.full(), Ring<kN>::kSlot);
      load_box(ring.left(), of_x2 ? x2 : x, {channel, across, down, item.image}, ring.full());
      if (l.cluster == 1) {
        load_box(ring.right(), weights, {of_weights, tap, column, 0}, ring.full());
        load_box(ring.right() + kHalf * kRowBytes, weights, {of_weights, tap, second_half, 0},
                 ring.full());
      } else {  // each block of the two brings half of the weights to both
        load_box_to(3, ring.right() + rank * kHalf * kRowBytes, weights,
                    {of_weights, tap, rank == 0 ? column : second_half, 0}, ring.full());
      }
    }
  }
}

// Lets the slot be filled again once the last warp says so, in all blocks whose copies reach it.
__device__ inline void release(uint64_t* empty, int cluster) {
  const int lane = int(threadIdx.x) % 32;
  if (cluster == 1) {
    if (lane == 0) barrier_arrive(empty);
  } else if (lane < cluster) {
    barrier_arrive_at(empty, lane);
  }
}

// The sums of this warpgroup's 64 rows over `steps` steps.
template <class T, int kN>
__device__ void multiply(Ring<kN>& ring, int group, int cluster, int steps, float (&d)[kN / 2]) {
  constexpr int kProducts = kSm90Channels / 16;
  uint64_t* previous = nullptr;
  for (int step = 0; step < steps; ++step, ring.next()) {
    const uint64_t a =
        wgmma_descriptor(shared_address(ring.left()) + uint32_t(group) * 64 * kRowBytes);
    const uint64_t b = wgmma_descriptor(shared_address(ring.right()));
    barrier_wait(ring.full(), ring.phase);
    wgmma_fence();

    DEDIT_UNROLL
    for (int k = 0; k < kProducts; ++k) {
      wgmma<T>(d, a + kWgmmaNextK * unsigned(k), b + kWgmmaNextK * unsigned(k), step > 0 || k > 0);
    }
    wgmma_commit();
    if (previous) {
      wgmma_wait<1>();
      release(previous, cluster);
    }
    previous = ring.empty();
  }
  wgmma_wait<0>();
  wgmma_settle(d);
  release(previous, cluster);
}

template <class T, int kN, Finish kFinish>
__device__ void multiply_and_store(const Job<T>& job) {
  const Sm90Layout& l = job.layout;
  // From lane 0, so that the compiler knows it to be one value a warp.
  const int group = __shfl_sync(0xffffffffu, int(threadIdx.x) / kGroup, 0);
  const int rank = cluster_rank();
  Ring<kN> ring;
  for (Turns turn(l); turn.at < l.items(); turn.next(l)) {
    const Sm90Item item = item_of(l, turn.at, rank);
    float d[kN / 2];
    multiply<T>(ring, group, l.cluster, l.steps_of(item.part), d);
    const int column = item.column_tile * (kFinish == Finish::kGeglu ? kN / 2 : kN);
    const Place place = place_of(l, item, group, column);
    if constexpr (kFinish == Finish::kGeglu) {
      store_geglu(job.end, place, d);
    } else if (kFinish == Finish::kLinear && job.partial) {
      store_parts(job.end, job.partial, place, item.part, d);
    } else {
      store_sums<T, kFinish == Finish::kActivated>(job.end, place, d);
    }
  }
}

template <class T, int kN, Finish kFinish>
__global__ void __launch_bounds__(Ring<kN>::kThreads, Ring<kN>::kResident)
    product_sm90_kernel(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap x2,
                        const __grid_constant__ TensorMap weights,
                        const __grid_constant__ Job<T> job) {
#if !defined(__CUDACC__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  if (threadIdx.x == 0) {
    prefetch(&x);
    prefetch(&x2);
    prefetch(&weights);
    for (Ring<kN> ring; ring.phase == 0; ring.next()) {
      barrier_init(ring.full(), 1);
      barrier_init(ring.empty(), kWarps * job.layout.cluster);
    }
    barrier_init_done();
  }
  sync_cluster();
  if (threadIdx.x < kMultiply) {
    if constexpr (Ring<kN>::kGives) take_registers<kMultiplyRegisters>();
    multiply_and_store<T, kN, kFinish>(job);
  } else {
    if constexpr (Ring<kN>::kGives) give_registers<kFetchRegisters>();
    if (threadIdx.x == kMultiply) fetch<T, kN, kFinish>(&x, &x2, &weights, job);
  }
  if (job.layout.cluster > 1) sync_cluster();
#endif
}

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
         product_sm90_kernel<T, kN, kFinish>, x, x2, map_of_weights(a, kN),
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

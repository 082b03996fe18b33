// Products of bf16 and f16 on tensor cores, for compute capability 8.0 and later.
#include "cuda/product_mma.h"

namespace dedit::cuda {
namespace {

using Huge = MmaTile<256, 128, 32, 4, 2, 3, 1>;
using Large = MmaTile<128, 128, 32, 2, 2, 3, 2>;
using Medium = MmaTile<128, 64, 32, 4, 1, 4, 3>;
using Small = MmaTile<64, 64, 64, 2, 2, 3, 4>;
using Narrow = MmaTile<64, 32, 64, 4, 1, 4, 4>;

template <class Tile>
constexpr ProductTile tile_of(double rate) {
  return {.m = Tile::kM,
          .n = Tile::kN,
          .k = Tile::kK,
          .rate = rate,
          .resident = Tile::kResident,
          .geglu = Tile::kGeglu,
          .activated = Tile::kActivated};
}

constexpr ProductTile kTiles[] = {tile_of<Huge>(920), tile_of<Large>(900), tile_of<Medium>(800),
                                  tile_of<Small>(700), tile_of<Narrow>(500)};
// Rows of y of other lengths than multiples of 8.
constexpr ProductTile kAnyRowsTiles[] = {tile_of<Narrow>(500)};
// Other channel counts than multiples of 8.
constexpr ProductTile kElementTiles[] = {tile_of<Medium>(100), tile_of<Narrow>(60)};

enum class Loading { kWide, kAnyRows, kElements };

Loading loading_of(const ProductArgs& a) {
  const bool channels = a.channels % 8 == 0 && a.channels2 % 8 == 0;
  if (channels && (a.geglu ? a.out / 2 : a.out) % 8 == 0) return Loading::kWide;
  return channels && !a.geglu ? Loading::kAnyRows : Loading::kElements;
}

// Sums over the block's columns; steps are loaded kStages - 1 ahead, and a step's last products run
// while the first operands of the next are on their way from shared memory.
template <class T, class Tile, class Loader>
__device__ void sum_products(const KernelArgs<T>& a, const ProductPlace& at, T* stages,
                             Sums<Tile>& sums) {
  constexpr int kStageSize = Tile::kStageBytes / int(sizeof(T)), kSlices = Tile::kK / 16;
  const int steps = (at.end_k - at.first_k + Tile::kK - 1) / Tile::kK;
  Loader loader;
  loader.start(a, at);
  DEDIT_UNROLL
  for (int step = 0; step < Tile::kStages - 1; ++step) {
    if (step < steps) loader.load(a, stages + step * kStageSize);
    copy_async_commit();
  }
  copy_async_wait<Tile::kStages - 2>();
  __syncthreads();
  Fragments<T, Tile> fragments[2];
  fragments[0].load(stages, 0);
  int read = 0;  // the stage of this step; the one before is free to be written
  for (int step = 0; step < steps; ++step) {
    const int next = read + 1 == Tile::kStages ? 0 : read + 1;
    DEDIT_UNROLL
    for (int slice = 0; slice < kSlices; ++slice) {
      if (slice + 1 < kSlices) {
        fragments[(slice + 1) % 2].load(stages + read * kStageSize, slice + 1);
      } else {
        copy_async_wait<Tile::kStages - 2>();
        __syncthreads();  // the next stage is there, and nobody reads this one any more
        fragments[0].load(stages + next * kStageSize, 0);
      }
      if (slice == 0) {
        const int free = read == 0 ? Tile::kStages - 1 : read - 1;
        if (step + Tile::kStages - 1 < steps) loader.load(a, stages + free * kStageSize);
        copy_async_commit();
      }
      sums.add_products(fragments[slice % 2]);
    }
    read = next;
  }
}

// Where a lane's eight columns of column tiles [first, first + 4) lie in y.
template <class Tile>
struct LanePlace {
  int row, column;

  __device__ explicit LanePlace(const ProductPlace& at) {
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    row = at.row + warp / Tile::kWarpsN * Tile::kWarpM + lane / 4;
    column = at.weight + warp % Tile::kWarpsN * Tile::kWarpN + lane % 4 * 8;
  }
};

// The residuals of four column tiles, of the two rows that a lane has in a row tile.
template <class T>
struct Residuals {
  Eight<T> v[2];

  __device__ void load(const KernelArgs<T>& a, int row, int column, bool wide) {
    v[0] = load_residual(a.epilogue, row, column, wide);
    v[1] = load_residual(a.epilogue, row + 8, column, wide);
  }
};

// Residuals are loaded while those before them are used.
template <bool kActivated, class T, class Tile>
__device__ void finish(const KernelArgs<T>& a, const ProductPlace& at, const Sums<Tile>& sums,
                       bool wide) {
  constexpr int kRowTiles = Tile::kRowTiles, kAhead = 2;
  const LanePlace<Tile> lane(at);
  DEDIT_UNROLL
  for (int group = 0; group < Tile::kColumnTiles / 4; ++group) {
    const int column = lane.column + group * 32;
    const Eight<float> bias = load_bias(a.epilogue, column, wide);
    Residuals<T> residuals[kRowTiles];
    DEDIT_UNROLL
    for (int tile = 0; tile < kRowTiles + kAhead; ++tile) {
      if (tile < kRowTiles) residuals[tile].load(a, lane.row + tile * 16, column, wide);
      const int ready = tile - kAhead;
      DEDIT_UNROLL
      for (int half = 0; half < 2 && ready >= 0; ++half) {
        float v[8];
        sums.eight(ready, half, group * 4, v);
        finish_eight<T, kActivated>(a.epilogue, lane.row + ready * 16 + half * 8, column, v, bias,
                                    residuals[ready].v[half], wide);
      }
    }
  }
}

template <class T, class Tile>
__device__ void finish_part(const KernelArgs<T>& a, const ProductPlace& at, const Sums<Tile>& sums,
                            bool wide) {
  const LanePlace<Tile> lane(at);
  DEDIT_UNROLL
  for (int i = 0; i < Tile::kRowTiles * 2; ++i) {
    DEDIT_UNROLL
    for (int group = 0; group < Tile::kColumnTiles / 4; ++group) {
      float v[8];
      sums.eight(i / 2, i % 2, group * 4, v);
      store_partial(a.epilogue, a.partial, int(blockIdx.y), lane.row + i * 8,
                    lane.column + group * 32, v, wide);
    }
  }
}

// The gates of column tile j are in column tile j + 4: see geglu_weight_row().
template <class T, class Tile>
__device__ void finish_gated(const KernelArgs<T>& a, const ProductPlace& at, Sums<Tile>& sums,
                             bool wide) {
  static_assert(Tile::kColumnTiles == 8);
  const LanePlace<Tile> lane(at);
  const int quad = int(threadIdx.x) % 4;
  const int column = at.weight / 2 + int(threadIdx.x) / 32 % Tile::kWarpsN * (Tile::kWarpN / 2);
  DEDIT_UNROLL
  for (int j = 0; j < 4; ++j) {
    const int first = column + j * 8 + quad * 2;
    const GegluBias bias[2] = {load_geglu_bias(a.epilogue, first),
                               load_geglu_bias(a.epilogue, first + 1)};
    DEDIT_UNROLL
    for (int i = 0; i < Tile::kRowTiles; ++i) {
      DEDIT_UNROLL
      for (int n = 0; n < 4; ++n) {
        sums.v[i][j][n] = finish_geglu(bias[n % 2], sums.v[i][j][n], sums.v[i][j + 4][n]);
      }
    }
  }
  const auto& e = a.epilogue;
  DEDIT_UNROLL
  for (int i = 0; i < Tile::kRowTiles * 2; ++i) {
    float v[8];
    sums.eight(i / 2, i % 2, 0, v);
    const int row = lane.row + i * 8, first = column + quad * 8;
    if (row < e.rows && first < e.columns) {
      store_eight(e.y + int64_t(row) * e.columns + first, v, e.columns - first, wide);
    }
  }
}

// What follows the sum in a kernel; parts of sums are left by kPlain.
enum class Finish { kPlain, kActivated, kGeglu };

template <class T, class Tile, class Loader, Finish kFinish>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kResident) mma_kernel(KernelArgs<T> a) {
  const ProductPlace at = product_place(int(blockIdx.x), int(blockIdx.y), Tile::kM, Tile::kN,
                                        a.steps * Tile::kK, a.epilogue.sums, a.k);
  Sums<Tile> sums = {};
  sum_products<T, Tile, Loader>(a, at, reinterpret_cast<T*>(dynamic_shared()), sums);
  const bool wide = !Loader::kAnyRows || wide_rows(a.epilogue);
  if constexpr (kFinish == Finish::kGeglu) {
    finish_gated(a, at, sums, wide);
  } else if (kFinish == Finish::kPlain && a.partial) {
    finish_part(a, at, sums, wide);
  } else {
    finish<kFinish == Finish::kActivated>(a, at, sums, wide);
  }
}

// A product by its parts: whichever of the kernels of a tile and a loader fits.
template <class T>
struct Job {
  Stream stream;
  KernelArgs<T> args;
  dim3 blocks;

  template <class Tile, class Loader>
  void run() const {
    auto* kernel = mma_kernel<T, Tile, Loader, Finish::kPlain>;
    if constexpr (Tile::kActivated) {
      const bool activated = !args.partial && args.epilogue.activation != Activation::kNone;
      if (activated) kernel = mma_kernel<T, Tile, Loader, Finish::kActivated>;
    }
    if constexpr (Tile::kGeglu) {
      if (args.geglu) kernel = mma_kernel<T, Tile, Loader, Finish::kGeglu>;
    }
    launch(stream,
           {.blocks = blocks, .threads = Tile::kThreads, .shared_bytes = Tile::kSharedBytes},
           kernel, args);
  }
  template <class Tile>
  void run_wide() const {
    run<Tile, WideLoader<T, Tile>>();
  }
  template <class Tile>
  void run_elements() const {
    run<Tile, ElementLoader<T, Tile>>();
  }
};

template <class T>
void run(Stream stream, const ProductArgs& args, const ProductPlan& plan, float* partial) {
  const ProductTile& tile = mma_tiles(args)[size_t(plan.tile)];
  const Job<T> job = {stream, kernel_args<T>(args, plan, partial),
                      product_blocks(args, tile, plan.split)};
  const Loading loading = loading_of(args);
  if (loading == Loading::kAnyRows) return job.template run_wide<Narrow>();
  if (loading == Loading::kElements) {
    return plan.tile == 0 ? job.template run_elements<Medium>()
                          : job.template run_elements<Narrow>();
  }
  switch (plan.tile) {
    case 0:
      return job.template run_wide<Huge>();
    case 1:
      return job.template run_wide<Large>();
    case 2:
      return job.template run_wide<Medium>();
    case 3:
      return job.template run_wide<Small>();
    default:
      return job.template run_wide<Narrow>();
  }
}

}  // namespace

std::span<const ProductTile> mma_tiles(const ProductArgs& args) {
  switch (loading_of(args)) {
    case Loading::kWide:
      return kTiles;
    case Loading::kAnyRows:
      return kAnyRowsTiles;
    case Loading::kElements:
      return kElementTiles;
  }
  return kTiles;
}

void product_mma(Stream stream, const ProductArgs& args, const ProductPlan& plan, float* partial) {
  if (args.type == Type::kBF16) {
    run<Bf16>(stream, args, plan, partial);
  } else {
    run<F16>(stream, args, plan, partial);
  }
}

}  // namespace dedit::cuda

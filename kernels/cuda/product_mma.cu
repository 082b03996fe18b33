// Products of bf16 and f16 on tensor cores, for compute capability 8.0 and later.
#include "cuda/product_mma.h"

namespace dedit::cuda {
namespace {

using Large = MmaTile<128, 128, 32, 2, 2, 3, 2>;
using Medium = MmaTile<128, 64, 32, 4, 1, 4, 3>;
using Small = MmaTile<64, 64, 64, 2, 2, 3, 4>;
using Narrow = MmaTile<64, 32, 64, 4, 1, 4, 4>;

template <class Tile>
constexpr ProductTile tile_of(double rate, bool geglu) {
  return {.m = Tile::kM,
          .n = Tile::kN,
          .k = Tile::kK,
          .rate = rate,
          .resident = Tile::kResident,
          .geglu = geglu};
}

// GEGLU is finished where a warp's columns are two groups of 32.
constexpr ProductTile kTiles[] = {tile_of<Large>(900, true), tile_of<Medium>(800, true),
                                  tile_of<Small>(700, false), tile_of<Narrow>(500, false)};
// Channel counts that are no multiples of 8.
constexpr ProductTile kElementTiles[] = {tile_of<Medium>(100, true), tile_of<Narrow>(60, false)};

bool wide(const ProductArgs& args) {
  return args.channels % 8 == 0 && args.channels2 % 8 == 0;
}

// Sums over the block's columns; steps are loaded kStages - 1 ahead, and a step's last products run
// while the first operands of the next are on their way from shared memory.
template <class T, class Tile, class Loader>
__device__ void sum_products(const KernelArgs<T>& a, const ProductPlace& at, T* stages,
                             const GatherRow* rows, Sums<Tile>& sums) {
  constexpr int kStageSize = Tile::kStageBytes / int(sizeof(T)), kSlices = Tile::kK / 16;
  const int steps = (at.end_k - at.first_k + Tile::kK - 1) / Tile::kK;
  Loader loader;
  loader.start(a, at, rows);
  DEDIT_UNROLL
  for (int step = 0; step < Tile::kStages - 1; ++step) {
    if (step < steps) loader.load(a, rows, stages + step * kStageSize);
    copy_async_commit();
  }
  copy_async_wait<Tile::kStages - 2>();
  __syncthreads();
  Fragments<T, Tile> fragments[2];
  fragments[0].load(stages, 0);
  int read = 0, write = Tile::kStages - 1;  // stages
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
        if (step + Tile::kStages - 1 < steps) {
          loader.load(a, rows, stages + write * kStageSize);
        }
        copy_async_commit();
      }
      sums.add_products(fragments[slice % 2]);
    }
    write = read;
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

template <class T, class Tile>
__device__ void finish(const KernelArgs<T>& a, const ProductPlace& at, const Sums<Tile>& sums) {
  constexpr int kGroups = Tile::kColumnTiles / 4;
  const LanePlace<Tile> lane(at);
  Eight<T> residual[Tile::kRowTiles][2][kGroups];
  DEDIT_UNROLL
  for (int i = 0; i < Tile::kRowTiles * 2 * kGroups; ++i) {
    const int tile = i / (2 * kGroups), half = i / kGroups % 2, group = i % kGroups;
    residual[tile][half][group] =
        load_residual(a.epilogue, lane.row + tile * 16 + half * 8, lane.column + group * 32);
  }
  DEDIT_UNROLL
  for (int i = 0; i < Tile::kRowTiles * 2 * kGroups; ++i) {
    const int tile = i / (2 * kGroups), half = i / kGroups % 2, group = i % kGroups;
    const int row = lane.row + tile * 16 + half * 8, column = lane.column + group * 32;
    float v[8];
    sums.eight(tile, half, group * 4, v);
    finish_eight(a.epilogue, row, column, v, residual[tile][half][group]);
  }
}

template <class T, class Tile>
__device__ void finish_part(const KernelArgs<T>& a, const ProductPlace& at,
                            const Sums<Tile>& sums) {
  constexpr int kGroups = Tile::kColumnTiles / 4;
  const LanePlace<Tile> lane(at);
  DEDIT_UNROLL
  for (int i = 0; i < Tile::kRowTiles * 2 * kGroups; ++i) {
    const int tile = i / (2 * kGroups), half = i / kGroups % 2, group = i % kGroups;
    float v[8];
    sums.eight(tile, half, group * 4, v);
    store_partial(a.epilogue, a.partial, int(blockIdx.y), lane.row + tile * 16 + half * 8,
                  lane.column + group * 32, v);
  }
}

// The gates of column tile j are in column tile j + 4: see geglu_weight_row().
template <class T, class Tile>
__device__ void finish_gated(const KernelArgs<T>& a, const ProductPlace& at, Sums<Tile>& sums) {
  static_assert(Tile::kColumnTiles == 8);
  const LanePlace<Tile> lane(at);
  const int quad = int(threadIdx.x) % 4;
  const int column = at.weight / 2 + int(threadIdx.x) / 32 % Tile::kWarpsN * (Tile::kWarpN / 2);
  DEDIT_UNROLL
  for (int j = 0; j < 4; ++j) {
    DEDIT_UNROLL
    for (int i = 0; i < Tile::kRowTiles; ++i) {
      DEDIT_UNROLL
      for (int n = 0; n < 4; ++n) {
        sums.v[i][j][n] = finish_geglu(a.epilogue, column + j * 8 + quad * 2 + n % 2,
                                       sums.v[i][j][n], sums.v[i][j + 4][n]);
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
      store_eight(e.y + int64_t(row) * e.columns + first, v, e.columns - first, e.columns % 8 == 0);
    }
  }
}

template <class T, class Tile, class Loader, bool kGeglu>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kResident) mma_kernel(KernelArgs<T> a) {
  T* stages = reinterpret_cast<T*>(dynamic_shared());
  auto* rows = reinterpret_cast<GatherRow*>(dynamic_shared() + Tile::kStages * Tile::kStageBytes);
  const ProductPlace at = product_place(int(blockIdx.x), int(blockIdx.y), Tile::kM, Tile::kN,
                                        a.steps * Tile::kK, a.epilogue.sums, a.k);
  for (int i = int(threadIdx.x); i < Tile::kM; i += Tile::kThreads) {
    rows[i] = gather_row(a.gather, at.row + i);
  }
  __syncthreads();
  Sums<Tile> sums = {};
  sum_products<T, Tile, Loader>(a, at, stages, rows, sums);
  if constexpr (kGeglu) {
    finish_gated(a, at, sums);
  } else if (a.partial) {
    finish_part(a, at, sums);
  } else {
    finish(a, at, sums);
  }
}

template <class T, class Tile, template <class, class> class Loader>
void run(Stream stream, const ProductArgs& args, const ProductPlan& plan, const ProductTile& tile,
         float* partial) {
  const auto a = kernel_args<T>(args, plan, partial);
  auto* kernel = mma_kernel<T, Tile, Loader<T, Tile>, false>;
  if constexpr (Tile::kColumnTiles == 8) {
    if (a.geglu) kernel = mma_kernel<T, Tile, Loader<T, Tile>, true>;
  }
  launch(stream,
         {.blocks = product_blocks(args, tile, plan.split),
          .threads = Tile::kThreads,
          .shared_bytes = Tile::kSharedBytes},
         kernel, a);
}

template <class T>
void run_plan(Stream stream, const ProductArgs& args, const ProductPlan& plan, float* partial) {
  const ProductTile& tile = mma_tiles(args)[size_t(plan.tile)];
  if (!wide(args)) {
    const auto start =
        plan.tile == 0 ? run<T, Medium, ElementLoader> : run<T, Narrow, ElementLoader>;
    return start(stream, args, plan, tile, partial);
  }
  switch (plan.tile) {
    case 0:
      return run<T, Large, WideLoader>(stream, args, plan, tile, partial);
    case 1:
      return run<T, Medium, WideLoader>(stream, args, plan, tile, partial);
    case 2:
      return run<T, Small, WideLoader>(stream, args, plan, tile, partial);
    default:
      return run<T, Narrow, WideLoader>(stream, args, plan, tile, partial);
  }
}

}  // namespace

std::span<const ProductTile> mma_tiles(const ProductArgs& args) {
  if (wide(args)) return kTiles;
  return kElementTiles;
}

void product_mma(Stream stream, const ProductArgs& args, const ProductPlan& plan, float* partial) {
  if (args.type == Type::kBF16) {
    run_plan<Bf16>(stream, args, plan, partial);
  } else {
    run_plan<F16>(stream, args, plan, partial);
  }
}

}  // namespace dedit::cuda

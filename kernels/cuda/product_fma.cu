// Products in f32 without tensor cores: blocks of 64x64, a thread 4 rows and 8 columns.
#include "cuda/product_kernel.h"

namespace dedit::cuda {
namespace {

constexpr int kM = 64, kN = 64, kK = 16, kThreads = 128;
constexpr int kApart = kThreads / kK, kLoads = kM / kApart;  // a thread loads one column's elements
constexpr int kPadded = kM + 4;  // neighbouring columns lie in other banks
constexpr int kGegluGroup = 8;   // a thread's columns: four values and their gates
constexpr ProductTile kTiles[] = {
    {.m = kM, .n = kN, .k = kK, .rate = 48, .resident = 4, .geglu = true}};
static_assert(kM == kN);

struct Shared {
  float left[2][kK][kPadded], right[2][kK][kPadded];
};

// Elements of one step on their way from global to shared memory.
struct Loads {
  float left[kLoads], right[kLoads];
};

struct Loader {
  GatherWalk<kLoads, kApart> walk;
  const float* weights[kLoads];  // null past the last row
  int k, end_k;

  __device__ Loader(const KernelArgs<float>& a, const ProductPlace& at)
      : k(at.first_k + int(threadIdx.x) % kK), end_k(at.end_k) {
    walk.start(a.gather, at.row + int(threadIdx.x) / kK, k);
    for (int i = 0; i < kLoads; ++i) {
      int row = at.weight + int(threadIdx.x) / kK + i * kApart;
      if (a.geglu) row = geglu_weight_row(row, kGegluGroup, a.epilogue.sums);
      weights[i] = row < a.epilogue.sums ? a.weights + int64_t(row) * a.k : nullptr;
    }
  }

  __device__ void load(const KernelArgs<float>& a, Loads& loads) {
    const auto source = gather_source(a.gather, a.x, a.x2, walk.column.channel);
    const bool inside = k < end_k;
    DEDIT_UNROLL
    for (int i = 0; i < kLoads; ++i) {
      const int pixel = walk.pixels[i];
      loads.left[i] =
          inside && pixel >= 0 ? source.base[int64_t(pixel) * source.stride + source.channel] : 0;
      loads.right[i] = inside && weights[i] ? weights[i][k] : 0;
    }
    k += kK;
    walk.advance(a.gather, kK);
  }
};

__device__ void store(Shared& shared, int buffer, const Loads& loads) {
  const int column = int(threadIdx.x) % kK, row = int(threadIdx.x) / kK;
  DEDIT_UNROLL
  for (int i = 0; i < kLoads; ++i) {
    shared.left[buffer][column][row + i * kApart] = loads.left[i];
    shared.right[buffer][column][row + i * kApart] = loads.right[i];
  }
}

__device__ void multiply(const Shared& shared, int buffer, int row, int column,
                         float (&sums)[4][8]) {
  for (int k = 0; k < kK; ++k) {
    const auto left = *reinterpret_cast<const Vec<float, 4>*>(&shared.left[buffer][k][row]);
    const auto right = load_eight(&shared.right[buffer][k][column], 8, true);
    DEDIT_UNROLL
    for (int i = 0; i < 4; ++i) {
      DEDIT_UNROLL
      for (int j = 0; j < 8; ++j) sums[i][j] += left.v[i] * right.parts[j / 4].v[j % 4];
    }
  }
}

__device__ void finish(const KernelArgs<float>& a, int row, int column, float (&v)[8]) {
  const auto& e = a.epilogue;
  const bool wide = wide_rows(e);
  if (a.partial) return store_partial(e, a.partial, int(blockIdx.y), row, column, v, wide);
  if (!a.geglu) {
    return finish_eight(e, row, column, v, load_bias(e, column, wide),
                        load_residual(e, row, column, wide), wide);
  }
  if (row >= e.rows) return;
  for (int i = 0; i < 4; ++i) {
    const int y_column = column / 2 + i;
    if (y_column >= e.columns) return;
    const GegluBias bias = load_geglu_bias(e, y_column);
    e.y[int64_t(row) * e.columns + y_column] = finish_geglu(bias, v[i], v[4 + i]);
  }
}

__global__ void __launch_bounds__(kThreads) fma_kernel(KernelArgs<float> a) {
  __shared__ Shared shared;
  const ProductPlace at =
      product_place(int(blockIdx.x), int(blockIdx.y), kM, kN, a.steps * kK, a.epilogue.sums, a.k);
  Loader loader(a, at);
  Loads loads;
  loader.load(a, loads);
  store(shared, 0, loads);
  __syncthreads();
  const int row = int(threadIdx.x) / 8 * 4, column = int(threadIdx.x) % 8 * 8;
  float sums[4][8] = {};
  const int steps = int(divide_up(at.end_k - at.first_k, kK));
  for (int step = 0; step < steps; ++step) {
    loader.load(a, loads);  // nothing past the end
    multiply(shared, step % 2, row, column, sums);
    store(shared, (step + 1) % 2, loads);
    __syncthreads();
  }
  DEDIT_UNROLL
  for (int i = 0; i < 4; ++i) finish(a, at.row + row + i, at.weight + column, sums[i]);
}

}  // namespace

std::span<const ProductTile> fma_tiles(const ProductArgs&) {
  return kTiles;
}

void product_fma(Stream stream, const ProductArgs& args, const ProductPlan& plan, float* partial) {
  launch(stream,
         {.blocks = product_blocks(args, kTiles[plan.tile], plan.split), .threads = kThreads},
         fma_kernel, kernel_args<float>(args, plan, partial));
}

}  // namespace dedit::cuda

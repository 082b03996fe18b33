// The second pass of a product whose sum is split.
#include "cuda/product_epilogue.h"

namespace dedit::cuda {
namespace {

constexpr int kThreads = 128;

// v += eight columns of the sum, parts in order.
template <class T>
__device__ void sum_parts(const Epilogue<T>& e, const float* partial, int split, int row,
                          int column, float (&v)[8]) {
  const float* p = partial + int64_t(row) * e.sums + column;
  const int64_t part_size = int64_t(e.rows) * e.sums;
  const int n = e.sums - column;
  const bool wide = wide_rows(e);  // then both halves of GEGLU are too
  DEDIT_UNROLL
  for (int part = 0; part < split; ++part) {
    add_eight(v, load_eight(p + part * part_size, n, wide, true));
  }
}

// One thread eight columns of y.
template <class T, bool kGeglu>
__global__ void __launch_bounds__(kThreads)
    finish_kernel(Epilogue<T> e, const float* partial, int split) {
  const unsigned across = unsigned(e.columns + 7) / 8;
  const unsigned index = blockIdx.x * kThreads + threadIdx.x;
  const int row = int(index / across), column = int(index % across) * 8;
  if (row >= e.rows) return;
  float v[8] = {};
  sum_parts(e, partial, split, row, column, v);
  if constexpr (kGeglu) {
    float gate[8] = {};
    sum_parts(e, partial, split, row, column + e.columns, gate);
    for (int i = 0; i < 8; ++i) {
      v[i] = finish_geglu(load_geglu_bias(e, column + i), v[i], gate[i]);
    }
    store_eight(e.y + int64_t(row) * e.columns + column, v, e.columns - column, wide_rows(e));
  } else {
    const bool wide = wide_rows(e);
    finish_eight(e, row, column, v, load_bias(e, column, wide), load_residual(e, row, column, wide),
                 wide);
  }
}

}  // namespace

void finish_split(Stream stream, const ProductArgs& args, const float* partial, int split) {
  dispatch(args.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Epilogue<T> e = epilogue_of<T>(args);
    const int64_t threads = e.rows * divide_up(e.columns, 8);
    launch(stream, {.blocks = dim3(unsigned(divide_up(threads, kThreads))), .threads = kThreads},
           args.geglu ? finish_kernel<T, true> : finish_kernel<T, false>, e, partial, split);
  });
}

}  // namespace dedit::cuda

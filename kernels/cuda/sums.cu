#include "cuda/reduce.h"
#include "cuda/sums.h"
#include "cuda/vector.h"

namespace dedit::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMaxBlocks = 512;

int64_t blocks_of(int64_t n) {
  constexpr int64_t kPerBlock = kThreads * 8;
  const int64_t blocks = divide_up(n, kPerBlock);
  return blocks < kMaxBlocks ? blocks : kMaxBlocks;
}

// Each block leaves its sum; which elements are whose follows from n alone.
template <class T>
__global__ void __launch_bounds__(kThreads) squares_kernel(const T* x, int64_t n, double* sums) {
  constexpr int kWidth = kWide<T>;
  __shared__ double scratch[kThreads / kLanes];
  const int64_t thread = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t threads = int64_t(gridDim.x) * kThreads, vectors = n / kWidth;
  double sum = 0;
  for (int64_t i = thread; i < vectors; i += threads) {
    float v[kWidth];
    load(x + i * kWidth, v);
    for (int e = 0; e < kWidth; ++e) sum += double(v[e]) * double(v[e]);
  }
  if (thread < n - vectors * kWidth) {
    const double v = to_float(x[vectors * kWidth + thread]);
    sum += v * v;
  }
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) total_kernel(const double* sums, int n, double* y) {
  __shared__ double scratch[kThreads / kLanes];
  double sum = 0;
  for (int i = int(threadIdx.x); i < n; i += kThreads) sum += sums[i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) *y = sum;
}

}  // namespace

size_t sum_of_squares_workspace_bytes(int64_t n) {
  return size_t(blocks_of(n)) * sizeof(double);
}

void sum_of_squares(Stream stream, const void* x, Type type, int64_t n, double* y,
                    void* workspace) {
  auto* sums = static_cast<double*>(workspace);
  const int64_t blocks = blocks_of(n);
  dispatch(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch(stream, {.blocks = dim3(unsigned(blocks)), .threads = dim3(kThreads)}, squares_kernel<T>,
           static_cast<const T*>(x), n, sums);
  });
  launch(stream, {.blocks = dim3(1), .threads = dim3(kThreads)}, total_kernel, sums, int(blocks),
         y);
}

}  // namespace dedit::cuda

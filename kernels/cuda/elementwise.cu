#include "cuda/elementwise.h"
#include "cuda/math.h"
#include "cuda/types.h"

namespace dedit::cuda {
namespace {

constexpr int kThreads = 256;

// One thread a vector of 16 bytes, the last thread the rest.
template <class T>
__global__ void activation_kernel(const T* x, Activation kind, T* y, int64_t n) {
  constexpr int kWidth = kWide<T>;
  const int64_t first = (int64_t(blockIdx.x) * kThreads + threadIdx.x) * kWidth;
  if (first + kWidth <= n) {
    auto v = *reinterpret_cast<const Vec<T, kWidth>*>(x + first);
    for (T& element : v.v) element = from_float<T>(activate(to_float(element), kind));
    *reinterpret_cast<Vec<T, kWidth>*>(y + first) = v;
    return;
  }
  for (int64_t i = first; i < n; ++i) y[i] = from_float<T>(activate(to_float(x[i]), kind));
}

}  // namespace

void activation(Stream stream, const void* x, Activation kind, void* y, Type type, int64_t n) {
  dispatch(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const int64_t threads = divide_up(n, kWide<T>);
    launch(stream, {.blocks = dim3(unsigned(divide_up(threads, kThreads))), .threads = kThreads},
           activation_kernel<T>, static_cast<const T*>(x), kind, static_cast<T*>(y), n);
  });
}

}  // namespace dedit::cuda

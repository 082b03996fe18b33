#include "cuda/elementwise.h"
#include "cuda/math.h"
#include "cuda/vector.h"

namespace dedit::cuda {
namespace {

// Blocks small enough that the tensors of one latent still spread over the multiprocessors.
constexpr int kThreads = 128;
// Elements a thread takes where types of different sizes meet.
constexpr int kMixed = 8;

Grid grid_of(int64_t threads) {
  return {.blocks = dim3(unsigned(divide_up(threads, kThreads))), .threads = dim3(kThreads)};
}

__device__ int64_t thread_index() {
  return int64_t(blockIdx.x) * kThreads + threadIdx.x;
}

// f(Count<N>, i) for this thread's N elements from i on, or f(Count<1>, i) for each that is left.
template <int N, class F>
__device__ void each_step(int64_t n, const F& f) {
  const int64_t first = thread_index() * N;
  if (first + N <= n) return f(Count<N>{}, first);
  for (int64_t i = first; i < n; ++i) f(Count<1>{}, i);
}

template <class From, class To>
__global__ void convert_kernel(const From* x, To* y, int64_t n) {
  each_step<kMixed>(n, [&](auto width, int64_t i) {
    float v[decltype(width)::value];
    load(x + i, v);
    store(v, y + i);
  });
}

template <class T>
__global__ void activation_kernel(const T* x, Activation kind, T* y, int64_t n) {
  each_step<kWide<T>>(n, [&](auto width, int64_t i) {
    float v[decltype(width)::value];
    load(x + i, v);
    activate_all<T>(v, kind);
    store(v, y + i);
  });
}

template <class T, int W>
__global__ void geglu_kernel(const T* x, T* y, int64_t rows, int64_t n) {
  const int64_t vectors = n / W, i = thread_index(), row = i / vectors;
  if (row >= rows) return;
  const T* from = x + row * 2 * n + (i - row * vectors) * W;
  float v[W], gate[W];
  load(from, v);
  load(from + n, gate);
  for (int e = 0; e < W; ++e) v[e] *= gelu(gate[e]);
  store(v, y + i * W);
}

template <int N>
__device__ void load_term(const Term& term, int64_t i, float (&v)[N]) {
  if (term.type == Type::kF32) return load(static_cast<const float*>(term.x) + i, v);
  if (term.type == Type::kBF16) return load(static_cast<const Bf16*>(term.x) + i, v);
  load(static_cast<const F16*>(term.x) + i, v);
}

template <class T>
__global__ void lincomb_kernel(LincombArgs args) {
  each_step<kMixed>(args.n, [&](auto width, int64_t i) {
    constexpr int kN = decltype(width)::value;
    float sum[kN] = {};
    for (int t = 0; t < args.n_terms; ++t) {
      float v[kN];
      load_term(args.terms[t], i, v);
      for (int e = 0; e < kN; ++e) sum[e] += args.terms[t].a * v[e];
    }
    store(sum, static_cast<T*>(args.y) + i);
  });
}

template <class T>
__global__ void blend_kernel(BlendArgs args) {
  const int64_t n = args.batch * args.pixels * args.channels;
  each_step<kWide<T>>(n, [&](auto width, int64_t i) {
    constexpr int kN = decltype(width)::value;
    float a[kN], b[kN];
    load(static_cast<const T*>(args.a) + i, a);
    load(static_cast<const T*>(args.b) + i, b);
    int64_t pixel = i / args.channels, channel = i - pixel * args.channels;
    pixel %= args.pixels;
    for (int e = 0; e < kN; ++e) {
      a[e] = mix(args.mask[pixel], a[e], b[e]);
      if (++channel < args.channels) continue;
      channel = 0;
      if (++pixel == args.pixels) pixel = 0;
    }
    store(a, static_cast<T*>(args.y) + i);
  });
}

// A row of blocks (x) takes an output row, its blocks (y) pieces of it.
template <class T, int W>
__global__ void upsample_kernel(ResizeArgs args) {
  const int64_t vectors = args.channels / W, i = int64_t(blockIdx.y) * kThreads + threadIdx.x;
  const int64_t column = i / vectors;
  if (column >= args.out_width) return;
  const int64_t image = blockIdx.x / args.out_height, row = blockIdx.x - image * args.out_height;
  const int64_t from_row = image * args.in_height + row * args.in_height / args.out_height;
  const int64_t from_pixel = from_row * args.in_width + column * args.in_width / args.out_width;
  const auto* from = static_cast<const Vec<T, W>*>(args.x) + from_pixel * vectors;
  auto* to = static_cast<Vec<T, W>*>(args.y) + int64_t(blockIdx.x) * args.out_width * vectors;
  to[i] = from[i - column * vectors];
}

template <class T, int W>
__global__ void concat_kernel(const Vec<T, W>* a, int64_t na, const Vec<T, W>* b, int64_t nb,
                              Vec<T, W>* y, int64_t rows) {
  const int64_t i = thread_index(), row = i / (na + nb);
  if (row >= rows) return;
  const int64_t column = i - row * (na + nb);
  y[i] = column < na ? a[row * na + column] : b[row * nb + column - na];
}

template <class T, int W>
__global__ void embed_kernel(const int32_t* ids, const float* table, const float* positions, T* y,
                             int64_t batch, int64_t tokens, int64_t n) {
  const int64_t vectors = n / W, i = thread_index(), token = i / vectors;
  if (token >= batch * tokens) return;
  const int64_t column = (i - token * vectors) * W;
  float v[W], position[W];
  load(table + ids[token] * n + column, v);
  load(positions + token % tokens * n + column, position);
  for (int e = 0; e < W; ++e) v[e] += position[e];
  store(v, y + i * W);
}

// f(Tag<T>) with a T of the type's size, for kernels that only move elements.
template <class F>
void dispatch_size(Type type, const F& f) {
  if (type == Type::kF32) return f(Tag<float>{});
  f(Tag<Bf16>{});
}

}  // namespace

void convert(Stream stream, const void* x, Type x_type, void* y, Type y_type, int64_t n) {
  dispatch(x_type, [&](auto from) {
    dispatch(y_type, [&](auto to) {
      using From = typename decltype(from)::type;
      using To = typename decltype(to)::type;
      launch(stream, grid_of(divide_up(n, kMixed)), convert_kernel<From, To>,
             static_cast<const From*>(x), static_cast<To*>(y), n);
    });
  });
}

void activation(Stream stream, const void* x, Activation kind, void* y, Type type, int64_t n) {
  dispatch(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch(stream, grid_of(divide_up(n, kWide<T>)), activation_kernel<T>, static_cast<const T*>(x),
           kind, static_cast<T*>(y), n);
  });
}

void geglu(Stream stream, const void* x, void* y, Type type, int64_t rows, int64_t n) {
  dispatch(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    dispatch_width<T>(n % kWide<T> == 0, [&](auto width) {
      constexpr int kW = decltype(width)::value;
      launch(stream, grid_of(rows * (n / kW)), geglu_kernel<T, kW>, static_cast<const T*>(x),
             static_cast<T*>(y), rows, n);
    });
  });
}

void lincomb(Stream stream, const LincombArgs& args) {
  dispatch(args.type, [&](auto tag) {
    launch(stream, grid_of(divide_up(args.n, kMixed)), lincomb_kernel<typename decltype(tag)::type>,
           args);
  });
}

void blend(Stream stream, const BlendArgs& args) {
  const int64_t n = args.batch * args.pixels * args.channels;
  dispatch(args.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch(stream, grid_of(divide_up(n, kWide<T>)), blend_kernel<T>, args);
  });
}

void upsample_nearest(Stream stream, const ResizeArgs& args) {
  dispatch_size(args.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    dispatch_width<T>(args.channels % kWide<T> == 0, [&](auto width) {
      constexpr int kW = decltype(width)::value;
      const int64_t pieces = divide_up(args.out_width * (args.channels / kW), kThreads);
      launch(stream,
             {.blocks = dim3(unsigned(args.batch * args.out_height), unsigned(pieces)),
              .threads = dim3(kThreads)},
             upsample_kernel<T, kW>, args);
    });
  });
}

void concat(Stream stream, const void* a, int64_t na, const void* b, int64_t nb, void* y, Type type,
            int64_t rows) {
  dispatch_size(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    dispatch_width<T>(na % kWide<T> == 0 && nb % kWide<T> == 0, [&](auto width) {
      constexpr int kW = decltype(width)::value;
      using V = Vec<T, kW>;
      launch(stream, grid_of(rows * ((na + nb) / kW)), concat_kernel<T, kW>,
             static_cast<const V*>(a), na / kW, static_cast<const V*>(b), nb / kW,
             static_cast<V*>(y), rows);
    });
  });
}

void embed(Stream stream, const int32_t* ids, const float* table, const float* positions, void* y,
           Type type, int64_t batch, int64_t tokens, int64_t n) {
  dispatch(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    dispatch_width<float>(n % kWide<float> == 0, [&](auto width) {
      constexpr int kW = decltype(width)::value;
      launch(stream, grid_of(batch * tokens * (n / kW)), embed_kernel<T, kW>, ids, table, positions,
             static_cast<T*>(y), batch, tokens, n);
    });
  });
}

}  // namespace dedit::cuda

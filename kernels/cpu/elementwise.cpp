// Element-wise kernels: epilogue of products, activations, linear combinations, conversions.
#include "cpu/local.h"
#include "cpu/vec_math.h"

namespace dedit::kernels::DEDIT_ISA {
namespace {

template <class T, Activation kind>
void epilogue_as(const EpilogueArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* acc = a.acc + r * a.acc_row;
    const T* residual = a.residual ? static_cast<const T*>(a.residual) + r * a.y_row : nullptr;
    T* y = static_cast<T*>(a.y) + r * a.y_row;
    for_each_vec(a.cols, [&](int64_t i, int64_t n) {
      Vec v = load(acc + i, n) + load(a.bias + i, n);
      if (a.row_bias) v += load(a.row_bias + i, n);
      v = activate<kind>(v);
      if (residual) v += load(residual + i, n);
      store(y + i, v, n);
    });
  }
}

/// acc (+)= a * x on one block.
template <class T>
void add_term(float a, const T* x, int64_t n, bool is_first, float* acc) {
  const Vec factor = set1(a);
  for_each_vec(n, [&](int64_t i, int64_t lanes) {
    const Vec v = load(x + i, lanes);
    store(acc + i, is_first ? factor * v : fma(factor, v, load(acc + i)));
  });
}

}  // namespace

template <class T>
void epilogue(const EpilogueArgs& args) {
  with_activation(args.activation, [&](auto kind) { epilogue_as<T, decltype(kind)::value>(args); });
}

template <class T>
void geglu(const void* x, int64_t rows, int64_t n, void* y) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* value = static_cast<const T*>(x) + r * 2 * n;
    const T* gate = value + n;
    T* out = static_cast<T*>(y) + r * n;
    for_each_vec(n, [&](int64_t i, int64_t lanes) {
      store(out + i, load(value + i, lanes) * gelu(load(gate + i, lanes)), lanes);
    });
  }
}

template <class T>
void activation(const void* x, int64_t n, Activation kind, void* y) {
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  with_activation(kind, [&](auto k) {
    for_each_vec(n, [&](int64_t i, int64_t lanes) {
      store(out + i, activate<decltype(k)::value>(load(in + i, lanes)), lanes);
    });
  });
}

template <class T>
void lincomb(const LincombTerm* terms, int n_terms, int64_t n, void* y) {
  constexpr int64_t kBlock = 1024;  // sums of one block stay in the first cache
  float acc[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = n - i < kBlock ? n - i : kBlock;
    for (int t = 0; t < n_terms; ++t) {
      const LincombTerm& term = terms[t];
      if (term.type == kTypeF32) {
        add_term(term.a, static_cast<const float*>(term.x) + i, m, t == 0, acc);
      } else {
        add_term(term.a, static_cast<const uint16_t*>(term.x) + i, m, t == 0, acc);
      }
    }
    T* out = static_cast<T*>(y) + i;
    for_each_vec(m, [&](int64_t j, int64_t lanes) { store(out + j, load(acc + j), lanes); });
  }
}

template <class T>
void blend(const float* mask, const void* a, const void* b, int64_t pixels, int64_t channels,
           void* y) {
  for (int64_t p = 0; p < pixels; ++p) {
    const float m = mask[p];
    const T* from_a = static_cast<const T*>(a) + p * channels;
    const T* from_b = static_cast<const T*>(b) + p * channels;
    T* out = static_cast<T*>(y) + p * channels;
    for_each_vec(channels, [&](int64_t i, int64_t n) {
      // A product with zero would let the other side's infinities and NaNs through.
      const Vec va = load(from_a + i, n), vb = load(from_b + i, n);
      const Vec mixed = fma(set1(m), va, set1(1.0f - m) * vb);
      store(out + i, m == 1.0f ? va : m == 0.0f ? vb : mixed, n);
    });
  }
}

template <class T>
void add_rows(const float* table, const float* position, int64_t n, void* y) {
  T* out = static_cast<T*>(y);
  for_each_vec(n, [&](int64_t i, int64_t lanes) {
    store(out + i, load(table + i, lanes) + load(position + i, lanes), lanes);
  });
}

void f32_from_bf16(const uint16_t* x, int64_t n, float* y) {
  for_each_vec(n, [&](int64_t i, int64_t lanes) { store(y + i, load(x + i, lanes), lanes); });
}

void bf16_from_f32(const float* x, int64_t n, uint16_t* y) {
  for_each_vec(n, [&](int64_t i, int64_t lanes) { store(y + i, load(x + i, lanes), lanes); });
}

void resize_row(const void* x, int64_t in, int64_t out, size_t pixel_bytes, void* y) {
  const auto* from = static_cast<const char*>(x);
  auto* to = static_cast<char*>(y);
  for (int64_t i = 0; i < out; ++i) {
    std::memcpy(to + size_t(i) * pixel_bytes, from + size_t(i * in / out) * pixel_bytes,
                pixel_bytes);
  }
}

void concat_rows(const void* a, size_t a_bytes, const void* b, size_t b_bytes, int64_t rows,
                 void* y) {
  auto* to = static_cast<char*>(y);
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(to, static_cast<const char*>(a) + size_t(r) * a_bytes, a_bytes);
    std::memcpy(to + a_bytes, static_cast<const char*>(b) + size_t(r) * b_bytes, b_bytes);
    to += a_bytes + b_bytes;
  }
}

template void epilogue<float>(const EpilogueArgs&);
template void epilogue<uint16_t>(const EpilogueArgs&);
template void geglu<float>(const void*, int64_t, int64_t, void*);
template void geglu<uint16_t>(const void*, int64_t, int64_t, void*);
template void activation<float>(const void*, int64_t, Activation, void*);
template void activation<uint16_t>(const void*, int64_t, Activation, void*);
template void lincomb<float>(const LincombTerm*, int, int64_t, void*);
template void lincomb<uint16_t>(const LincombTerm*, int, int64_t, void*);
template void blend<float>(const float*, const void*, const void*, int64_t, int64_t, void*);
template void blend<uint16_t>(const float*, const void*, const void*, int64_t, int64_t, void*);
template void add_rows<float>(const float*, const float*, int64_t, void*);
template void add_rows<uint16_t>(const float*, const float*, int64_t, void*);

}  // namespace dedit::kernels::DEDIT_ISA

// Loads, stores and moves of several elements at once.
#pragma once

#include <type_traits>

#include "cuda/types.h"

namespace dedit::cuda {

template <int N>
using Count = std::integral_constant<int, N>;

/// Elements that one load takes of N.
template <class T, int N>
inline constexpr int kAtOnce = N < kWide<T> ? N : kWide<T>;

/// v = N elements from p on, in loads of 16 bytes or, of fewer elements, one load of them; p is a
/// multiple of a load.
template <int N, class T>
DEDIT_HOST_DEVICE void load(const T* p, float (&v)[N]) {
  constexpr int kPart = kAtOnce<T, N>;
  for (int i = 0; i < N; i += kPart) {
    const auto part = *reinterpret_cast<const Vec<T, kPart>*>(p + i);
    for (int j = 0; j < kPart; ++j) v[i + j] = to_float(part.v[j]);
  }
}

/// The opposite, rounding to nearest even.
template <int N, class T>
DEDIT_HOST_DEVICE void store(const float (&v)[N], T* p) {
  constexpr int kPart = kAtOnce<T, N>;
  for (int i = 0; i < N; i += kPart) {
    Vec<T, kPart> part;
    for (int j = 0; j < kPart; ++j) part.v[j] = from_float<T>(v[i + j]);
    *reinterpret_cast<Vec<T, kPart>*>(p + i) = part;
  }
}

/// f(Count<kWide<T>>) if `wide`, else f(Count<1>): the elements a thread takes at once.
template <class T, class F>
void dispatch_width(bool wide, const F& f) {
  if (wide) return f(Count<kWide<T>>{});
  f(Count<1>{});
}

}  // namespace dedit::cuda

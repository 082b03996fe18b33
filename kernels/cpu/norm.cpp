// Group norm and layer norm. Variances are sums of squared distances from the mean, never
// E[x^2] - E[x]^2, which loses every digit where the mean is large.
#include "cpu/local.h"
#include "cpu/vec_math.h"

namespace dedit::kernels::DEDIT_ISA {
namespace {

/// sums[c] = sum over the rows of x.
template <class T>
void sum_channels(const T* x, int64_t rows, int64_t channels, float* sums) {
  constexpr int kPanel = 4;  // summed in registers over all rows, a cache line or more per row
  int64_t c = 0;
  for (; c + kPanel * kLanes <= channels; c += kPanel * kLanes) {
    Vec sum[kPanel];
    for (Vec& s : sum) s = set1(0.0f);
    for (int64_t r = 0; r < rows; ++r) {
      for (int k = 0; k < kPanel; ++k) sum[k] += load(x + r * channels + c + k * kLanes);
    }
    for (int k = 0; k < kPanel; ++k) store(sums + c + k * kLanes, sum[k]);
  }
  for_each_vec(channels - c, [&](int64_t i, int64_t n) {
    Vec sum = set1(0.0f);
    for (int64_t r = 0; r < rows; ++r) sum += load(x + r * channels + c + i, n);
    store(sums + c + i, sum, n);
  });
}

/// first[c] and second[c] = sums over the rows of d and d^2, d = x - centre[c].
template <class T>
void sum_deviations(const T* x, int64_t rows, int64_t channels, const float* centre, float* first,
                    float* second) {
  constexpr int kPanel = 4;
  int64_t c = 0;
  for (; c + kPanel * kLanes <= channels; c += kPanel * kLanes) {
    Vec sum[kPanel], square[kPanel], mid[kPanel];
    for (int k = 0; k < kPanel; ++k) {
      sum[k] = square[k] = set1(0.0f);
      mid[k] = load(centre + c + k * kLanes);
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int k = 0; k < kPanel; ++k) {
        const Vec d = load(x + r * channels + c + k * kLanes) - mid[k];
        sum[k] += d;
        square[k] = fma(d, d, square[k]);
      }
    }
    for (int k = 0; k < kPanel; ++k) {
      store(first + c + k * kLanes, sum[k]);
      store(second + c + k * kLanes, square[k]);
    }
  }
  for_each_vec(channels - c, [&](int64_t i, int64_t n) {
    Vec sum = set1(0.0f), square = set1(0.0f);
    const Vec mid = load(centre + c + i, n);
    for (int64_t r = 0; r < rows; ++r) {
      const Vec d = load(x + r * channels + c + i, n) - mid;
      sum += d;
      square = fma(d, d, square);
    }
    store(first + c + i, sum, n);
    store(second + c + i, square, n);
  });
}

double sum_of(const float* p, int64_t n) {
  double s = 0;
  for (int64_t i = 0; i < n; ++i) s += double(p[i]);
  return s;
}

}  // namespace

template <class T>
void group_norm_stats(const GroupNormBlock& b) {
  const T* x = static_cast<const T*>(b.x);
  float* centre = b.scratch;
  float* first = b.scratch + b.channels;
  float* second = b.scratch + 2 * b.channels;
  const int64_t width = b.channels / b.groups;
  const double count = double(width * b.rows);
  sum_channels(x, b.rows, b.channels, first);
  for (int64_t g = 0; g < b.groups; ++g) {
    b.mean[g] = double(float(sum_of(first + g * width, width) / count));
    for (int64_t i = 0; i < width; ++i) centre[g * width + i] = float(b.mean[g]);
  }
  // The first mean is rounded; the deviations from it are small, so their sums are exact enough.
  sum_deviations(x, b.rows, b.channels, centre, first, second);
  for (int64_t g = 0; g < b.groups; ++g) {
    const double rest = sum_of(first + g * width, width) / count;
    b.mean[g] += rest;
    b.m2[g] = sum_of(second + g * width, width) - rest * rest * count;
  }
}

template <class T>
void channel_affine(const ChannelAffine& a) {
  with_activation(a.activation, [&](auto kind) {
    for (int64_t r = 0; r < a.rows; ++r) {
      const T* x = static_cast<const T*>(a.x) + r * a.channels;
      T* y = static_cast<T*>(a.y) + r * a.channels;
      for_each_vec(a.channels, [&](int64_t i, int64_t n) {
        const Vec v =
            fma(load(x + i, n) - load(a.mean + i, n), load(a.scale + i, n), load(a.shift + i, n));
        store(y + i, activate<decltype(kind)::value>(v), n);
      });
    }
  });
}

template <class T>
void layer_norm(const LayerNormArgs& a) {
  const double count = double(a.n);
  for (int64_t r = 0; r < a.rows; ++r) {
    const T* x = static_cast<const T*>(a.x) + r * a.n;
    T* y = static_cast<T*>(a.y) + r * a.n;
    Vec sum = set1(0.0f);
    for_each_vec(a.n, [&](int64_t i, int64_t n) { sum += load(x + i, n); });
    const Vec centre = set1(float(sum_lanes(sum) / count));
    Vec first = set1(0.0f), second = set1(0.0f);
    for_each_vec(a.n, [&](int64_t i, int64_t n) {
      const Vec d = keep_first(load(x + i, n) - centre, n);
      first += d;
      second = fma(d, d, second);
    });
    const double rest = sum_lanes(first) / count;
    const double variance = sum_lanes(second) / count - rest * rest;
    const Vec delta = set1(float(rest));
    const Vec scale = set1(float(1.0 / __builtin_sqrt(variance + double(a.eps))));
    for_each_vec(a.n, [&](int64_t i, int64_t n) {
      const Vec v = ((load(x + i, n) - centre) - delta) * scale;
      store(y + i, fma(v, load(a.gamma + i, n), load(a.beta + i, n)), n);
    });
  }
}

template void group_norm_stats<float>(const GroupNormBlock&);
template void group_norm_stats<uint16_t>(const GroupNormBlock&);
template void channel_affine<float>(const ChannelAffine&);
template void channel_affine<uint16_t>(const ChannelAffine&);
template void layer_norm<float>(const LayerNormArgs&);
template void layer_norm<uint16_t>(const LayerNormArgs&);

}  // namespace dedit::kernels::DEDIT_ISA

// The device's side of group norm: see group_norm_plan.h for who takes what.
#pragma once

#include "cuda/group_norm_plan.h"
#include "cuda/math.h"
#include "cuda/reduce.h"
#include "cuda/vector.h"

namespace dedit::cuda {

/// The moments of a group in one slab; their count follows from the slab.
struct alignas(8) SlabMoments {
  float mean, m2;
};

/// A group as it is applied.
struct alignas(8) MeanScale {
  float mean, scale;
};

/// Pixel p of a thread's channels lies at `at + p * step`.
template <class T>
struct Column {
  const T* at;
  int64_t step;
};

template <class T>
__device__ inline Column<T> column_of(const GroupNormArgs& args, int64_t image, int64_t channel) {
  if (channel < args.channels) {
    return {static_cast<const T*>(args.x) + image * args.pixels * args.channels + channel,
            args.channels};
  }
  return {static_cast<const T*>(args.x2) + image * args.pixels * args.channels2 + channel -
              args.channels,
          args.channels2};
}

/// A thread's sums, a channel each, of the distance from the slab's first pixel and its square.
/// That pixel is one of the set, so the sum of squares is never much larger than it would be about
/// the mean, however far from 0 the mean is.
template <int W>
struct Sums {
  float shift[W], sum[W] = {}, squares[W] = {};

  template <class T>
  __device__ void add(const Vec<T, W>& v) {
    for (int e = 0; e < W; ++e) {
      const float distance = to_float(v.v[e]) - shift[e];
      sum[e] += distance;
      squares[e] += distance * distance;
    }
  }
};

/// What follows the norm: the usual ones as types, so that their kernels hold no code of the
/// others.
struct NoActivation {
  template <class T, int N>
  __device__ void operator()(float (&)[N]) const {}
};
struct SiluActivation {
  template <class T, int N>
  __device__ void operator()(float (&v)[N]) const {
    activate_all<T>(v, Activation::kSilu);
  }
};
struct AnyActivation {
  Activation kind;
  template <class T, int N>
  __device__ void operator()(float (&v)[N]) const {
    activate_all<T>(v, kind);
  }
};

/// (x - mean) * scale + beta of a thread's channels. Not x * scale + offset, which loses digits
/// where the mean is large.
template <int W>
struct Affine {
  float mean[W], scale[W], beta[W];

  __device__ Affine(const GroupNormArgs& args, const GroupNormPlan& plan, const MeanScale* groups,
                    int first_channel, int column) {
    const int channel = column * W;
    load(args.gamma + first_channel + channel, scale);
    load(args.beta + first_channel + channel, beta);
    for (int e = 0; e < W; ++e) {
      const MeanScale group = groups[(channel + e) / plan.group_channels];
      mean[e] = group.mean;
      scale[e] *= group.scale;
    }
  }

  template <class T, class Act>
  __device__ void apply(const Vec<T, W>& x, const Act& act, T* y) const {
    float v[W];
    for (int e = 0; e < W; ++e) v[e] = fmaf(to_float(x.v[e]) - mean[e], scale[e], beta[e]);
    act.template operator()<T>(v);
    store(v, y);
  }
};

/// Shared memory of a block: the two sums a row and channel.
struct RowSums {
  float* sum;
  float* squares;
};

__device__ inline RowSums row_sums(const GroupNormPlan& plan) {
  auto* sums = reinterpret_cast<float*>(dynamic_shared());
  return {sums, sums + plan.rows * plan.channels};
}

/// From the rows' sums, which all threads have written, to the moments of the block's groups:
/// store(group, Moments) once a group. The sums are overwritten.
template <class T, class Store>
__device__ inline void pool_rows(const GroupNormArgs& args, const GroupNormPlan& plan,
                                 const GroupNormPlace& place, const Store& store) {
  const RowSums rows = row_sums(plan);
  const float pixels = float(place.end - place.first);
  each_by_team(plan.channels, plan.channel_team, [&](int channel, bool valid, int lane) {
    float sum = 0, squares = 0;
    for (int row = valid ? lane : plan.rows; row < plan.rows; row += plan.channel_team) {
      sum += rows.sum[row * plan.channels + channel];
      squares += rows.squares[row * plan.channels + channel];
    }
    sum = team_sum(sum, plan.channel_team);
    squares = team_sum(squares, plan.channel_team);
    if (!valid || lane != 0) return;
    const Column<T> column = column_of<T>(args, place.image, place.channel + channel);
    rows.sum[channel] = to_float(column.at[place.first * column.step]) + sum / pixels;
    rows.squares[channel] = fmaxf(squares - sum * (sum / pixels), 0);
  });
  __syncthreads();
  each_by_team(plan.groups, plan.group_team, [&](int group, bool valid, int lane) {
    const int first = group * plan.group_channels;
    const Moments moments = pool(plan.group_channels, lane, plan.group_team, [&](int i) {
      return Moments{rows.sum[first + i], rows.squares[first + i], pixels};
    });
    if (valid && lane == 0) store(group, moments);
  });
}

__device__ inline MeanScale mean_scale(const Moments& moments, float eps) {
  return {moments.mean, rsqrtf(moments.m2 / moments.count + eps)};
}

/// f(Vec, pixel) for the pixels of a thread: first + row, first + row + rows, ..., with several
/// loads on their way at once.
template <int W, class T, class F>
__device__ inline void each_pixel(const GroupNormPlan& plan, const GroupNormPlace& place, int row,
                                  const Column<T>& column, const F& f) {
  constexpr int kAtOnce = GroupNormPlan::kAtOnce;
  const T* at = column.at + (place.first + row) * column.step;
  const int64_t step = plan.rows * column.step;
  for (int pixel = place.first + row; pixel < place.end; pixel += kAtOnce * plan.rows) {
    Vec<T, W> v[kAtOnce];
    DEDIT_UNROLL
    for (int k = 0; k < kAtOnce; ++k) {
      if (pixel + k * plan.rows < place.end) v[k] = *reinterpret_cast<const Vec<T, W>*>(at);
      at += step;
    }
    DEDIT_UNROLL
    for (int k = 0; k < kAtOnce; ++k) {
      if (pixel + k * plan.rows < place.end) f(v[k], pixel + k * plan.rows);
    }
  }
}

/// The first of two launches: moments of every group in every slab.
template <class T, int W>
__global__ void __launch_bounds__(GroupNormPlan::kThreads, 2)
    group_moments_kernel(GroupNormArgs args, GroupNormPlan plan, SlabMoments* moments) {
  const GroupNormPlace place = group_norm_place(plan, args.pixels, blockIdx.x);
  const RowSums shared = row_sums(plan);
  const int row = int(threadIdx.x) / plan.vectors;
  for (int i = int(threadIdx.x) - row * plan.vectors; row < plan.rows && i < plan.vectors;
       i += int(blockDim.x)) {
    const Column<T> column = column_of<T>(args, place.image, i * W);
    Sums<W> sums;
    load(column.at + place.first * column.step, sums.shift);
    each_pixel<W>(plan, place, row, column, [&](const Vec<T, W>& v, int) { sums.add(v); });
    store(sums.sum, shared.sum + row * plan.channels + i * W);
    store(sums.squares, shared.squares + row * plan.channels + i * W);
  }
  __syncthreads();
  pool_rows<T>(args, plan, place, [&](int group, const Moments& of) {
    moments[moments_index(plan, place.image, group, place.slab)] = {of.mean, of.m2};
  });
}

/// The second: pools the slabs and normalises one.
template <class T, int W, class Act>
__global__ void __launch_bounds__(GroupNormPlan::kThreads, 2)
    group_apply_kernel(GroupNormArgs args, GroupNormPlan plan, Act act,
                       const SlabMoments* moments) {
  const GroupNormPlace place = group_norm_place(plan, args.pixels, blockIdx.x);
  auto* groups = reinterpret_cast<MeanScale*>(dynamic_shared());
  each_by_team(plan.groups, plan.group_team, [&](int group, bool valid, int lane) {
    const SlabMoments* slabs = moments + moments_index(plan, place.image, group, 0);
    const Moments whole = pool(plan.slabs, lane, plan.group_team, [&](int slab) {
      const int left = int(args.pixels) - slab * plan.slab_pixels;
      const int pixels = left < plan.slab_pixels ? left : plan.slab_pixels;
      return Moments{slabs[slab].mean, slabs[slab].m2, float(pixels) * plan.group_channels};
    });
    if (valid && lane == 0) groups[group] = mean_scale(whole, args.eps);
  });
  __syncthreads();
  const int row = int(threadIdx.x) / plan.vectors;
  for (int i = int(threadIdx.x) - row * plan.vectors; row < plan.rows && i < plan.vectors;
       i += int(blockDim.x)) {
    const Affine<W> affine(args, plan, groups, 0, i);
    T* y = static_cast<T*>(args.y) + place.image * args.pixels * plan.channels + i * W;
    each_pixel<W>(plan, place, row, column_of<T>(args, place.image, i * W),
                  [&](const Vec<T, W>& v, int pixel) {
                    affine.apply(v, act, y + int64_t(pixel) * plan.channels);
                  });
  }
}

/// The only one where a block holds all pixels of its groups.
template <class T, int W, class Act>
__global__ void __launch_bounds__(GroupNormPlan::kThreads, 1)
    group_norm_kernel(GroupNormArgs args, GroupNormPlan plan, Act act) {
  constexpr int kKept = GroupNormPlan::kKept;
  const GroupNormPlace place = group_norm_place(plan, args.pixels, blockIdx.x);
  const RowSums shared = row_sums(plan);
  auto* groups = reinterpret_cast<MeanScale*>(shared.sum + plan.sums());
  const int row = int(threadIdx.x) / plan.vectors, i = int(threadIdx.x) - row * plan.vectors;
  const int pixels = row < plan.rows ? int(args.pixels) : 0;  // none for the threads left over
  const Column<T> column = column_of<T>(args, place.image, place.channel + i * W);
  Vec<T, W> kept[kKept];
  Sums<W> sums;
  load(column.at, sums.shift);
  DEDIT_UNROLL
  for (int k = 0; k < kKept; ++k) {
    const int p = row + k * plan.rows;
    if (p < pixels) kept[k] = *reinterpret_cast<const Vec<T, W>*>(column.at + p * column.step);
  }
  DEDIT_UNROLL
  for (int k = 0; k < kKept; ++k) {
    if (row + k * plan.rows < pixels) sums.add(kept[k]);
  }
  if (row < plan.rows) {
    store(sums.sum, shared.sum + row * plan.channels + i * W);
    store(sums.squares, shared.squares + row * plan.channels + i * W);
  }
  __syncthreads();
  pool_rows<T>(args, plan, place,
               [&](int group, const Moments& of) { groups[group] = mean_scale(of, args.eps); });
  __syncthreads();
  const int64_t channels = args.channels + args.channels2;
  const Affine<W> affine(args, plan, groups, place.channel, i);
  T* y = static_cast<T*>(args.y) + place.image * args.pixels * channels + place.channel + i * W;
  DEDIT_UNROLL
  for (int k = 0; k < kKept; ++k) {
    const int p = row + k * plan.rows;
    if (p < pixels) affine.apply(kept[k], act, y + p * channels);
  }
}

}  // namespace dedit::cuda

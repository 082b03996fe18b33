// A block of a product on tensor cores (mma.sync): its shared memory, its loads, its products.
//
// A stage of shared memory holds one step's slices of the left matrix [kM][kK] and of the weights
// [kN][kK], as 16-byte chunks whose order within a line of 128 bytes is permuted by the row, so
// that both the copies into it and ldmatrix, which reads eight rows at one column, meet every bank
// once.
#pragma once

#include "cuda/mma.h"
#include "cuda/product_kernel.h"

namespace dedit::cuda {

template <int kM_, int kN_, int kK_, int kWarpsM_, int kWarpsN_, int kStages_, int kResident_>
struct MmaTile {
  static constexpr int kM = kM_, kN = kN_, kK = kK_;
  static constexpr int kWarpsM = kWarpsM_, kWarpsN = kWarpsN_, kThreads = kWarpsM * kWarpsN * 32;
  static constexpr int kStages = kStages_, kResident = kResident_;
  static constexpr int kWarpM = kM / kWarpsM, kWarpN = kN / kWarpsN;
  static constexpr int kRowTiles = kWarpM / 16, kColumnTiles = kWarpN / 8;  // of mma
  static constexpr int kStageBytes = (kM + kN) * kK * 2;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  /// GEGLU needs a warp's columns to be two groups of 32; what else follows a sum is left to
  /// smaller blocks where it would take too many registers.
  static constexpr bool kGeglu = kColumnTiles == 8 && kM <= 128;
  static constexpr bool kActivated = kM * kN <= 128 * 64;
  static_assert(kColumnTiles % 4 == 0 && kK % 32 == 0);
};

/// The place of chunk `chunk` (8 elements) of row `row` in a slice, in chunks.
template <int kK>
DEDIT_HOST_DEVICE constexpr int chunk_place(int row, int chunk) {
  constexpr int kChunks = kK / 8, kRowsALine = kChunks < 8 ? 8 / kChunks : 1;
  return row * kChunks + (chunk ^ (row / kRowsALine % kChunks));
}

/// Row of the weights of row `row` of a block's slice; sums or more where there is none.
template <class T, class Tile>
__device__ int weight_row(const KernelArgs<T>& a, const ProductPlace& at, int row) {
  const int weight = at.weight + row;
  return a.geglu ? geglu_weight_row(weight, Tile::kWarpN, a.epilogue.sums) : weight;
}

/// Copies 16 bytes at a time, asynchronously, where channel counts are multiples of 8. A thread
/// copies one column of chunks.
template <class T, class Tile>
struct WideLoader {
  static constexpr int kChunks = Tile::kK / 8, kApart = Tile::kThreads / kChunks;
  static constexpr int kLeft = Tile::kM / kApart, kRight = Tile::kN / kApart;
  /// Whether y may have rows of any length, not of multiples of 8 only.
  static constexpr bool kAnyRows = Tile::kN <= 32;
  static_assert(kApart % 8 == 0 && kLeft * kApart == Tile::kM && kRight * kApart == Tile::kN);

  GatherWalk<kLeft, kApart> walk;
  int weights[kRight];  // rows, -1 past the last one
  int place;

  __device__ void start(const KernelArgs<T>& a, const ProductPlace& at) {
    const int chunk = int(threadIdx.x) % kChunks, row = int(threadIdx.x) / kChunks;
    place = chunk_place<Tile::kK>(row, chunk) * 8;
    walk.start(a.gather, at.row + row, at.first_k + chunk * 8);
    DEDIT_UNROLL
    for (int i = 0; i < kRight; ++i) {
      const int weight = weight_row<T, Tile>(a, at, row + i * kApart);
      weights[i] = weight < a.epilogue.sums ? weight : -1;
    }
  }

  /// Starts the copies of the next step into a stage; zeros past the last column.
  __device__ void load(const KernelArgs<T>& a, T* stage) {
    const auto source = gather_source(a.gather, a.x, a.x2, walk.column.channel);
    DEDIT_UNROLL
    for (int i = 0; i < kLeft; ++i) {
      const bool inside = walk.pixels[i] >= 0;
      const T* from = source.base + int64_t(inside ? walk.pixels[i] : 0) * source.stride;
      copy_async_16(stage + place + i * kApart * Tile::kK, from + (inside ? source.channel : 0),
                    inside);
    }
    T* right = stage + Tile::kM * Tile::kK;
    const int k = column_index(a.gather, walk.column);
    DEDIT_UNROLL
    for (int i = 0; i < kRight; ++i) {
      const bool inside = k < a.k && weights[i] >= 0;
      copy_async_16(right + place + i * kApart * Tile::kK,
                    a.weights + (inside ? int64_t(weights[i]) * a.k + k : 0), inside);
    }
    walk.advance(a.gather, Tile::kK);
  }
};

/// Any channel counts: element by element, a thread one column.
template <class T, class Tile>
struct ElementLoader {
  static constexpr int kApart = Tile::kThreads / Tile::kK;  // rows between a thread's elements
  static constexpr int kBatch = 8;                          // of loads on their way
  static constexpr bool kAnyRows = true;
  static_assert(Tile::kM % (kApart * kBatch) == 0 && Tile::kN % (kApart * kBatch) == 0);

  GatherColumn column;
  ProductPlace at;
  int k;

  __device__ void start(const KernelArgs<T>& a, const ProductPlace& place) {
    at = place;
    k = at.first_k + int(threadIdx.x) % Tile::kK;
    column = gather_column(a.gather, k);
  }

  __device__ void load(const KernelArgs<T>& a, T* stage) {
    const auto source = gather_source(a.gather, a.x, a.x2, column.channel);
    copy<Tile::kM>(stage, [&](int row) {
      const GatherRow place = gather_row(a.gather, at.row + row);
      const int pixel = gather_pixel(a.gather, place, column.tap_y, column.tap_x);
      return pixel < 0 ? T{} : source.base[int64_t(pixel) * source.stride + source.channel];
    });
    copy<Tile::kN>(stage + Tile::kM * Tile::kK, [&](int row) {
      const int weight = weight_row<T, Tile>(a, at, row);
      const bool inside = k < a.k && weight < a.epilogue.sums;
      return inside ? a.weights[int64_t(weight) * a.k + k] : T{};
    });
    k += Tile::kK;
    gather_advance(a.gather, column, Tile::kK);
  }

 private:
  template <int kRows, class Element>
  __device__ void copy(T* slice, const Element& element) {
    const int in_step = int(threadIdx.x) % Tile::kK;
    for (int first = int(threadIdx.x) / Tile::kK; first < kRows; first += kApart * kBatch) {
      T batch[kBatch];
      DEDIT_UNROLL
      for (int i = 0; i < kBatch; ++i) batch[i] = element(first + i * kApart);
      DEDIT_UNROLL
      for (int i = 0; i < kBatch; ++i) {
        const int place = chunk_place<Tile::kK>(first + i * kApart, in_step / 8);
        slice[place * 8 + in_step % 8] = batch[i];
      }
    }
  }
};

/// The operands of one step of 16 columns, and where a warp reads them.
template <class T, class Tile>
struct Fragments {
  uint32_t left[Tile::kRowTiles][4], right[Tile::kColumnTiles][2];

  /// Columns [16 slice, 16 slice + 16) of a stage.
  __device__ void load(const T* stage, int slice) {
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    const int left_row = warp / Tile::kWarpsN * Tile::kWarpM + lane % 16;
    const T* p = stage + chunk_place<Tile::kK>(left_row, slice * 2 + lane / 16) * 8;
    DEDIT_UNROLL
    for (int i = 0; i < Tile::kRowTiles; ++i) load_matrices(left[i], p + i * 16 * Tile::kK);
    const int right_row = warp % Tile::kWarpsN * Tile::kWarpN + lane / 16 * 8 + lane % 8;
    p = stage + Tile::kM * Tile::kK +
        chunk_place<Tile::kK>(right_row, slice * 2 + lane / 8 % 2) * 8;
    DEDIT_UNROLL
    for (int i = 0; i < Tile::kColumnTiles; i += 2) {
      uint32_t four[4];
      load_matrices(four, p + i * 8 * Tile::kK);
      right[i][0] = four[0];
      right[i][1] = four[1];
      right[i + 1][0] = four[2];
      right[i + 1][1] = four[3];
    }
  }
};

/// A warp's sums, as mma leaves them.
template <class Tile>
struct Sums {
  float v[Tile::kRowTiles][Tile::kColumnTiles][4];

  template <class T>
  __device__ void add_products(const Fragments<T, Tile>& f) {
    DEDIT_UNROLL
    for (int i = 0; i < Tile::kRowTiles; ++i) {
      DEDIT_UNROLL
      for (int j = 0; j < Tile::kColumnTiles; ++j) mma_16x8x16<T>(v[i][j], f.left[i], f.right[j]);
    }
  }

  /// Columns 8 q to 8 q + 7 of four neighbouring column tiles from `first`, for lane q of a quad,
  /// of the lanes' row in the upper (half 0) or lower half of row tile i.
  __device__ void eight(int i, int half, int first, float (&eight)[8]) const {
    float pairs[4][2];
    DEDIT_UNROLL
    for (int j = 0; j < 4; ++j) {
      pairs[j][0] = v[i][first + j][2 * half];
      pairs[j][1] = v[i][first + j][2 * half + 1];
    }
    gather_quad(pairs, eight);
  }
};

}  // namespace dedit::cuda

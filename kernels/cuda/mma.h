// Tensor cores and asynchronous copies of compute capability 8.0 and later: one function an
// instruction. Fragments are laid out as in the PTX manual (mma.m16n8k16): with group = lane / 4
// and t = lane % 4,
//   a[0] row group, columns 2t and 2t + 1; a[1] row group + 8; a[2] row group, columns 2t + 8 and
//   2t + 9; a[3] row group + 8, columns 2t + 8 and 2t + 9;
//   b[0] rows 2t and 2t + 1 of column group; b[1] rows 2t + 8 and 2t + 9;
//   d[0], d[1] row group, columns 2t and 2t + 1; d[2], d[3] row group + 8.
// Every lane of the warp calls them together.
#pragma once

#include "cuda/types.h"

namespace dedit::cuda {

#ifdef __CUDACC__

__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/// Four 8x8 matrices of 16-bit elements: lane i names row i % 8 of matrix i / 8 (16 bytes).
__device__ inline void load_matrices(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

/// The same, each matrix transposed.
__device__ inline void load_matrices_transposed(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

/// d += a b with a [16, 16], b [16, 8] of Bf16 or F16, sums in f32.
template <class T>
__device__ inline void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
template <>
__device__ inline void mma_16x8x16<Bf16>(float (&d)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
__device__ inline void mma_16x8x16<F16>(float (&d)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// 16 bytes from global to shared memory, or 16 zero bytes if not `valid`: then 0 bytes are read,
/// and `from` may lie outside of the array. Both addresses are multiples of 16.
__device__ inline void copy_async_16(void* shared, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared_address(shared)), "l"(from), "r"(valid ? 16 : 0)
               : "memory");
}
/// Closes a group of this thread's copies.
__device__ inline void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until at most N of this thread's groups are on their way.
template <int N>
__device__ inline void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory");
}

/// 2^x to about 2 ulp; 0 for -infinity.
__device__ inline float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#else

inline void load_matrices(uint32_t (&r)[4], const void* row) {
  simt::load_matrices(r, row, false);
}
inline void load_matrices_transposed(uint32_t (&r)[4], const void* row) {
  simt::load_matrices(r, row, true);
}
template <class T>
void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  simt::mma_16x8x16(d, a, b, [](uint16_t bits) { return to_float(T{bits}); });
}
inline void copy_async_16(void* shared, const void* from, bool valid) {
  simt::copy_async(shared, valid ? from : nullptr, 16);
}
inline void copy_async_commit() {
  simt::copy_async_commit();
}
template <int N>
void copy_async_wait() {
  simt::copy_async_wait(N);
}
inline float fast_exp2(float x) {
  return __builtin_exp2f(x);
}

#endif

}  // namespace dedit::cuda

// Group norm over blocks of rows.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/memory.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

/// Floats of group_norm_affine's result.
int64_t affine_size(const Tensor& x);

/// affine [images, 3, channels] = mean, scale and shift of each channel: the norm of x, before its
/// activation, is (x - mean) * scale + shift.
void group_norm_affine(const kernels::KernelTable& table, ScratchPool& scratch, const Tensor& x,
                       const InputNorm& norm, float* affine);

/// As Backend::group_norm. x is read twice, once for the sums and once for the result.
void group_norm(const kernels::KernelTable& table, ScratchPool& scratch, const Tensor& x,
                const InputNorm& norm, Tensor& y);

}  // namespace dedit::cpu

// Conversion between activation types.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

/// y [n] = x [n], each f32 or bf16; no overlap.
void convert(const kernels::KernelTable& table, const void* x, DType from, void* y, DType to,
             int64_t n);

/// The same on the calling thread.
void convert_row(const kernels::KernelTable& table, const void* x, DType from, void* y, DType to,
                 int64_t n);

}  // namespace dedit::cpu

// Group norm over blocks of rows.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/memory.h"
#include "cpu/kernels.h"

namespace dedit::cpu {

/// As Backend::group_norm. x is read twice, once for the sums and once for the result.
void group_norm(const kernels::KernelTable& table, ScratchPool& scratch, const Tensor& x,
                const InputNorm& norm, Tensor& y);

}  // namespace dedit::cpu

// cuBLASLt, opened when the program runs: the library is larger than everything else together, and
// a machine may have none.
#pragma once

#include <memory>

#include "backend/cuda/matmul.h"

namespace dedit::cuda {

/// For the current device; null where the library is not found. DEDIT_CUBLASLT names its file, or
/// with 0 says that it is not wanted; not set: the loader's libcublasLt.so.13 or .12.
std::unique_ptr<Matmul> open_cublaslt();

}  // namespace dedit::cuda

// The GPU that tests run on: an emulated one, or in a binary of their own (see tests/README.md) the
// machine's. make_cuda_backend(0) is it either way.
#pragma once

#include <string>

#include "backend/backend.h"

namespace dedit {

bool is_gpu_emulated();
/// Why there is none, for tests to say as they are skipped; empty where there is one. Begins with
/// "no GPU: ", which gpu.sh looks for.
std::string gpu_problem();
/// What find_gpus() tells where the GPU is emulated, until the next call; at first that there are
/// none, so that what runs on "auto" runs on the CPU.
void set_emulated_gpus(const GpuList& gpus);
/// Blocks and threads from last to first, where the GPU is emulated.
void set_gpu_order(bool is_reversed);

}  // namespace dedit

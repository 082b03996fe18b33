// The emulated GPU as the tests' choice of a device: make_cuda_backend() makes one that runs on it.
#pragma once

#include "backend/cuda/cuda_backend.h"
#include "support/simt_device.h"

namespace dedit {

/// What find_gpus() tells, until the next call; at first that there are none.
void set_emulated_gpus(const GpuList& gpus);

/// The device of the backend that make_cuda_backend() made last.
cuda::SimtDevice& emulated_device();

}  // namespace dedit

// The emulated GPU as the tests' choice of a device: make_cuda_backend() makes one that runs on it.
#pragma once

#include "backend/cuda/cuda_backend.h"
#include "support/simt_device.h"

namespace dedit {

/// The device of the backend that make_cuda_backend() made last.
cuda::SimtDevice& emulated_device();

}  // namespace dedit

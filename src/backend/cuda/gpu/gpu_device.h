// GpuDevice: a Device that is a GPU, by the CUDA runtime.
#pragma once

#include <memory>

#include "backend/cuda/device.h"

namespace dedit::cuda {

/// The driver's GPU `index`. Throws Error(kOther).
std::unique_ptr<Device> make_gpu_device(int index);

}  // namespace dedit::cuda

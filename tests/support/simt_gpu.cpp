#include "support/simt_gpu.h"

#include "support/gpu.h"

namespace dedit {
namespace {

GpuList& list() {
  static GpuList gpus{.usable = {}, .problem = "the tests have none"};
  return gpus;
}

cuda::SimtDevice* last = nullptr;

}  // namespace

void set_emulated_gpus(const GpuList& gpus) {
  list() = gpus;
}

cuda::SimtDevice& emulated_device() {
  return *last;
}

bool is_gpu_emulated() {
  return true;
}

std::string gpu_problem() {
  return "";
}

void set_gpu_order(bool is_reversed) {
  simt::set_reverse(is_reversed);
}

GpuList find_gpus() {
  return list();
}

std::unique_ptr<Backend> make_cuda_backend(int, const BackendOptions& options) {
  auto device = std::make_unique<cuda::SimtDevice>();
  last = device.get();
  return std::make_unique<cuda::CudaBackend>(
      std::move(device), cuda::Queue::Options{.low_memory = options.low_memory});
}

}  // namespace dedit

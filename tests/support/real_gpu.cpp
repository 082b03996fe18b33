#include "backend/backend.h"
#include "support/gpu.h"

namespace dedit {

bool is_gpu_emulated() {
  return false;
}

std::string gpu_problem() {
  const GpuList gpus = find_gpus();
  return gpus.usable.empty() ? "no GPU: " + gpus.problem : "";
}

void set_emulated_gpus(const GpuList&) {}

void set_gpu_order(bool) {}

}  // namespace dedit

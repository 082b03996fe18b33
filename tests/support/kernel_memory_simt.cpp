#include "support/kernel_memory.h"
#include "support/simt_emulator.h"

namespace dedit::cuda {

KernelMemory& KernelMemory::operator=(const KernelMemory& other) {
  host_ = other.host_;
  return *this;
}
KernelMemory::~KernelMemory() = default;
void KernelMemory::fetch() const {}

void* KernelMemory::device() {
  return host_.data();
}

std::string kernel_problem() {
  return "";
}
int kernel_capability() {
  return 90;
}

void set_reverse_order(bool reverse) {
  simt::set_reverse(reverse);
}

}  // namespace dedit::cuda

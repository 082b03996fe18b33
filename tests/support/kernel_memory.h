// Where kernels under test run, and the memory they work in: kernel_memory_simt.cpp has the
// emulator and host memory, kernel_memory_gpu.cpp a GPU and its memory. A test program links one of
// them.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace dedit::cuda {

/// Bytes that the host and kernels read and write in turn. On a GPU each side has a copy, brought
/// over when it asks.
class KernelMemory {
 public:
  explicit KernelMemory(std::vector<std::byte> bytes) : host_(std::move(bytes)) {}
  KernelMemory(const KernelMemory& other) : host_(other.host()) {}
  KernelMemory& operator=(const KernelMemory& other);
  ~KernelMemory();

  size_t size() const { return host_.size(); }
  /// As the kernels that were started leave them.
  const std::vector<std::byte>& host() const {
    if (device_is_newer_) fetch();
    return host_;
  }
  std::byte* host_to_write() {
    host();
    host_is_newer_ = true;
    return host_.data();
  }
  /// For kernels, which may write: the next host() fetches the bytes.
  void* device();

 private:
  void fetch() const;

  mutable std::vector<std::byte> host_;
  void* device_ = nullptr;
  mutable bool host_is_newer_ = true, device_is_newer_ = false;
};

/// Why no kernel can run on this machine, for tests to say as they are skipped; else empty. As
/// gpu_problem() of support/gpu.h.
std::string kernel_problem();
/// Of the machine, 90 for 9.0; the emulator has every kernel and says so much.
int kernel_capability();

/// Makes the emulator run threads and blocks from last to first; a GPU has an order of its own.
void set_reverse_order(bool reverse);

}  // namespace dedit::cuda

#include "support/simt_device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace dedit::cuda {
namespace {

constexpr size_t kAlignment = 256;

[[noreturn]] void fail(const char* why) {
  std::fprintf(stderr, "simt device: %s\n", why);
  std::abort();
}

std::byte* make(size_t bytes) {
  auto* p = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{kAlignment}));
  std::memset(p, 0xff, bytes);
  return p;
}

void destroy(std::byte* p, size_t bytes) {
  std::memset(p, 0xff, bytes);
  ::operator delete (p, std::align_val_t{kAlignment});
}

bool holds(const std::map<std::byte*, size_t>& memory, const void* p, size_t bytes) {
  const auto* first = static_cast<const std::byte*>(p);
  auto next = memory.upper_bound(const_cast<std::byte*>(first));
  if (next == memory.begin()) return false;
  --next;
  return first + bytes <= next->first + next->second;
}

}  // namespace

SimtDevice::~SimtDevice() {
  for (const auto& [p, bytes] : device_) destroy(p, bytes);
  for (const auto& [p, bytes] : pinned_) destroy(p, bytes);
}

void* SimtDevice::allocate(size_t bytes) {
  if (bytes > free_bytes()) return nullptr;
  ++counts_.allocations;
  used_ += bytes;
  std::byte* p = make(bytes);
  device_.emplace(p, bytes);
  return p;
}

void SimtDevice::deallocate(void* p) {
  require_idle("device memory is given back while recording");
  synchronize();
  const auto at = device_.find(static_cast<std::byte*>(p));
  if (at == device_.end()) fail("what is given back is not device memory");
  used_ -= at->second;
  destroy(at->first, at->second);
  device_.erase(at);
}

void* SimtDevice::allocate_pinned(size_t bytes) {
  if (!has_pinned_) return nullptr;
  ++counts_.pinned_allocations;
  std::byte* p = make(bytes);
  pinned_.emplace(p, bytes);
  return p;
}

void SimtDevice::deallocate_pinned(void* p) {
  const auto at = pinned_.find(static_cast<std::byte*>(p));
  if (at == pinned_.end()) fail("what is given back is not pinned memory");
  destroy(at->first, at->second);
  pinned_.erase(at);
}

void SimtDevice::copy_to_device(void* device, const void* host, size_t bytes) {
  if (!holds(pinned_, host, bytes)) fail("a copy from memory that is not pinned");
  if (!holds(device_, device, bytes)) fail("a copy past the device's memory");
  push('c', [=] { std::memcpy(device, host, bytes); });
}

void SimtDevice::copy_to_host(void* host, const void* device, size_t bytes) {
  require_idle("a copy to the host is recorded");
  if (!holds(pinned_, host, bytes)) fail("a copy to memory that is not pinned");
  if (!holds(device_, device, bytes)) fail("a copy from past the device's memory");
  push('c', [=] { std::memcpy(host, device, bytes); });
}

uint64_t SimtDevice::mark() {
  require_idle("a mark is set while recording");
  works_.push_back({nullptr, ++last_mark_});
  return last_mark_;
}

void SimtDevice::wait(uint64_t mark) {
  require_idle("somebody waits while recording");
  ++counts_.waits;
  run_until(mark);
}

void SimtDevice::synchronize() {
  require_idle("somebody waits while recording");
  ++counts_.synchronizations;
  run_until(UINT64_MAX);
}

void SimtDevice::begin_recording() {
  require_idle("a recording begins inside another");
  is_recording_ = true;
}

void SimtDevice::end_recording() {
  if (!is_recording_) fail("a recording ends that has not begun");
  is_recording_ = false;
  if (recorded_.empty()) return;
  ++counts_.recordings;
  last_form_ = std::exchange(form_, {});
  for (auto& work : recorded_) works_.push_back({std::move(work), 0});
  recorded_.clear();
}

void SimtDevice::push(char kind, std::function<void()> work) {
  ++counts_.works;
  if (is_recording_) {
    ++counts_.recorded_works;
    form_ += kind;
    recorded_.push_back(std::move(work));
  } else {
    works_.push_back({std::move(work), 0});
  }
}

void SimtDevice::run_until(uint64_t mark) {
  while (!works_.empty() && passed_ < mark) {
    const Work work = std::move(works_.front());
    works_.pop_front();
    if (work.mark > 0) {
      passed_ = work.mark;
    } else {
      work.run();
    }
  }
}

void SimtDevice::require_idle(const char* what) const {
  if (is_recording_) fail(what);
}

}  // namespace dedit::cuda

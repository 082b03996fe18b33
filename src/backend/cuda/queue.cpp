#include "backend/cuda/queue.h"

#include <algorithm>
#include <cstring>

#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cuda {
namespace {

constexpr size_t kSlotStep = size_t{4} << 20;

size_t mib(size_t bytes) {
  return (bytes + (size_t{1} << 20) - 1) >> 20;
}

}  // namespace

Queue::Queue(std::unique_ptr<Device> device, const Options& options)
    : device_(std::move(device)), options_(options), staging_(*device_) {}

Queue::~Queue() {
  // Nothing can be reported from here, and a device that has failed has lost its memory anyway.
  try {
    const Turn turn(*this);
    finish();
    for (const Slot& slot : {scratch_, weight_slot_}) {
      if (slot.data) device_->deallocate(slot.data);
    }
  } catch (const Error&) {
  }
}

void* Queue::allocate(size_t bytes) {
  const Turn turn(*this);
  void* p = device_->allocate(bytes);
  if (!p && !outgrown_.empty()) {
    finish();
    p = device_->allocate(bytes);
  }
  if (p) return p;
  throw Error(ErrorKind::kMemory,
              str("cuda: the GPU has no ", mib(bytes), " MiB left: ", mib(device_->free_bytes()),
                  " of its ", mib(device_->total_bytes()), " MiB are free"),
              str("use ", options_.low_memory ? "" : "--low-memory, ",
                  "a smaller picture or --batch, --dtype bf16, or --device cpu; close what else "
                  "uses it"));
}

void Queue::deallocate(void* p) noexcept {
  // From destructors: what has failed shows at the next call that can say so.
  try {
    const Turn turn(*this);
    close_recording();
    device_->deallocate(p);
  } catch (const Error&) {
  }
}

void* Queue::allocate_pinned(size_t bytes) {
  const Turn turn(*this);
  if (void* p = device_->allocate_pinned(bytes)) return p;
  throw Error(ErrorKind::kMemory,
              str("cuda: the system gives no ", mib(bytes), " MiB of pinned memory for weights"),
              "close other programs, do without --low-memory, or use --device cpu");
}

void Queue::deallocate_pinned(void* p) noexcept {
  try {
    const Turn turn(*this);
    finish();
    device_->deallocate_pinned(p);
  } catch (const Error&) {  // as above
  }
}

void* Queue::scratch(size_t bytes) {
  return grow(scratch_, bytes);
}

void* Queue::weight_slot(size_t bytes) {
  return grow(weight_slot_, bytes);
}

void* Queue::grow(Slot& slot, size_t bytes) {
  if (bytes <= slot.bytes) return slot.data;
  const size_t grown = std::max(bytes, slot.bytes + slot.bytes / 4);
  const size_t rounded = (grown + kSlotStep - 1) / kSlotStep * kSlotStep;
  void* larger = allocate(rounded);
  if (slot.data) outgrown_.push_back(slot.data);
  slot = {larger, rounded};
  return slot.data;
}

void Queue::upload(const Read& read, size_t bytes, void* device) {
  for (size_t first = 0; first < bytes; first += Staging::kBlockBytes) {
    const size_t n = std::min(Staging::kBlockBytes, bytes - first);
    std::byte* pinned = staging_.take(n, is_recording_);
    read(pinned, first, n);
    device_->copy_to_device(static_cast<std::byte*>(device) + first, pinned, n);
  }
}

void Queue::upload(const void* host, size_t bytes, void* device) {
  upload([host](std::byte* to, size_t first,
                size_t n) { std::memcpy(to, static_cast<const std::byte*>(host) + first, n); },
         bytes, device);
}

void Queue::download(const void* device, size_t bytes, void* host) {
  close_recording();
  for (size_t first = 0; first < bytes; first += Staging::kBlockBytes) {
    const size_t n = std::min(Staging::kBlockBytes, bytes - first);
    std::byte* pinned = staging_.take(n, /*is_recording=*/false);
    device_->copy_to_host(pinned, static_cast<const std::byte*>(device) + first, n);
    finish();
    std::memcpy(static_cast<std::byte*>(host) + first, pinned, n);
  }
}

void Queue::copy_to_pinned(void* pinned, const void* device, size_t bytes) {
  close_recording();  // which holds no copies to the host
  device_->copy_to_host(pinned, device, bytes);
}

void Queue::copy_from_pinned(void* device, const void* pinned, size_t bytes) {
  device_->copy_to_device(device, pinned, bytes);
}

void Queue::end_of_step() {
  close_recording();
  device_->wait(last_step_);
  staging_.reclaim();
  last_step_ = device_->mark();
  if (!options_.records) return;
  device_->begin_recording();
  is_recording_ = true;
}

void Queue::finish() {
  close_recording();
  device_->synchronize();
  staging_.reclaim();
  for (void* p : outgrown_) device_->deallocate(p);
  outgrown_.clear();
}

void Queue::close_recording() {
  if (!is_recording_) return;
  is_recording_ = false;
  device_->end_recording();
  staging_.after_recording();
}

}  // namespace dedit::cuda

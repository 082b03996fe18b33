// A Device in host memory for the emulated kernels. It does its work as late as it may: when
// somebody waits, so that results read too early, staging filled again too early and memory given
// back too early show. Memory holds NaN when it is new; what is not allowed aborts with a message.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backend/cuda/device.h"
#include "support/simt_emulator.h"

namespace dedit::cuda {

class SimtDevice : public Device {
 public:
  struct Counts {
    int allocations = 0, pinned_allocations = 0, synchronizations = 0, waits = 0;
    int recordings = 0;      ///< that held something
    int recorded_works = 0;  ///< launches and copies inside of recordings
    int works = 0;           ///< all launches and copies
  };

  /// `memory` bytes in all.
  explicit SimtDevice(size_t memory = size_t{256} << 20, int capability = 80)
      : memory_(memory), capability_(capability) {}
  ~SimtDevice() override;

  std::string description() const override { return "emulated"; }
  int capability() const override { return capability_; }
  int multiprocessors() const override { return 4; }
  Stream stream() const override { return &queue_; }
  void make_current() override {}
  void* allocate(size_t bytes) override;
  void deallocate(void* p) override;
  size_t free_bytes() const override { return memory_ - used_; }
  size_t total_bytes() const override { return memory_; }
  void* allocate_pinned(size_t bytes) override;
  void deallocate_pinned(void* p) override;
  void copy_to_device(void* device, const void* host, size_t bytes) override;
  void copy_to_host(void* host, const void* device, size_t bytes) override;
  uint64_t mark() override;
  bool has_passed(uint64_t mark) override { return mark <= passed_; }
  void wait(uint64_t mark) override;
  void synchronize() override;
  void begin_recording() override;
  void end_recording() override;

  const Counts& counts() const { return counts_; }
  /// The last recording that held something, in order: c is a copy, k a kernel.
  const std::string& last_form() const { return last_form_; }
  /// There is no pinned memory from here on.
  void end_pinned() { has_pinned_ = false; }

 private:
  struct Work {
    std::function<void()> run;
    uint64_t mark = 0;  ///< 0: not one
  };
  class Queue : public simt::WorkQueue {
   public:
    explicit Queue(SimtDevice& device) : device_(device) {}
    void push(std::function<void()> work) override { device_.push('k', std::move(work)); }

   private:
    SimtDevice& device_;
  };

  void push(char kind, std::function<void()> work);
  void run_until(uint64_t mark);
  void require_idle(const char* what) const;

  size_t memory_, used_ = 0;
  int capability_;
  mutable Queue queue_{*this};
  std::deque<Work> works_;
  std::vector<std::function<void()>> recorded_;
  bool is_recording_ = false, has_pinned_ = true;
  std::string form_, last_form_;
  uint64_t last_mark_ = 0, passed_ = 0;
  std::map<std::byte*, size_t> device_, pinned_;
  Counts counts_;
};

}  // namespace dedit::cuda

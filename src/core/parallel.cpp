#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace dedit {
namespace {

// How often an idle thread looks before it sleeps: some 20 us, about the time between two loops of
// a network. OpenMP's default is to look for milliseconds, which on a busy machine takes the
// processor from the thread that is being waited for (20 times slower at a load of 8, measured).
constexpr int kSpins = 1000;

thread_local int t_index = 0;
thread_local bool t_in_loop = false;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Returns once `value` is no longer `old`.
template <class T>
void wait_while(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
}

class Workers {
 public:
  explicit Workers(int n) {
    for (int i = 0; i < n; ++i) threads_.emplace_back([this, i] { serve(i + 1); });
  }
  ~Workers() {
    stop_ = true;
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  int size() const { return int(threads_.size()); }

  void run(int64_t n, void (*body)(const void*, int64_t), const void* context) {
    body_ = body;
    context_ = context;
    n_ = n;
    next_.store(0, std::memory_order_relaxed);
    state_.store(kOpen, std::memory_order_release);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    t_in_loop = true;
    work();
    t_in_loop = false;
    // All indices are taken. Who is at one is waited for; who has not woken yet is not.
    for (uint32_t s = state_.fetch_and(~kOpen) & ~kOpen; s != 0; s = state_.load()) {
      wait_while(state_, s);
    }
  }

 private:
  static constexpr uint32_t kOpen = 1u << 31;

  void work() {
    for (int64_t i = next_.fetch_add(1); i < n_; i = next_.fetch_add(1)) body_(context_, i);
  }

  // Joins the running loop, unless its indices are all taken.
  bool enter() {
    uint32_t s = state_.load();
    while ((s & kOpen) != 0) {
      if (state_.compare_exchange_weak(s, s + 1)) return true;
    }
    return false;
  }

  void serve(int index) {
    t_index = index;
    t_in_loop = true;
    for (uint32_t seen = 0;;) {
      wait_while(round_, seen);
      seen = round_.load(std::memory_order_acquire);
      if (stop_) return;
      if (!enter()) continue;
      work();
      if (state_.fetch_sub(1) == 1) state_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::atomic<uint32_t> round_ = 0;  // a new number starts a loop
  std::atomic<int64_t> next_ = 0;
  std::atomic<uint32_t> state_ = 0;  // kOpen while a loop can be joined, plus who has joined
  std::atomic<bool> stop_ = false;
  void (*body_)(const void*, int64_t) = nullptr;
  const void* context_ = nullptr;
  int64_t n_ = 0;
};

int all_cores() {
  return std::max(1, int(std::thread::hardware_concurrency()));
}

thread_local int t_wanted = 0;  // 0: all cores
thread_local std::unique_ptr<Workers> t_workers;

}  // namespace

void set_num_threads(int n) {
  t_wanted = std::clamp(n, 0, 1024);
}

int num_threads() {
  return t_wanted > 0 ? t_wanted : all_cores();
}

int thread_index() {
  return t_index;
}

void parallel_for(int64_t n, void (*body)(const void*, int64_t), const void* context) {
  const int workers = num_threads() - 1;
  if (n <= 1 || workers == 0 || t_in_loop) {
    for (int64_t i = 0; i < n; ++i) body(context, i);
    return;
  }
  if (!t_workers || t_workers->size() != workers) {
    t_workers.reset();
    t_workers = std::make_unique<Workers>(workers);
  }
  t_workers->run(n, body, context);
}

}  // namespace dedit

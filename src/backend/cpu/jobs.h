// parallel_for for bodies that may throw: the first exception is rethrown by the caller's thread.
#pragma once

#include <atomic>
#include <exception>

#include "core/parallel.h"

namespace dedit::cpu {

template <class Body>
void run_jobs(int64_t n, const Body& body) {
  std::atomic<bool> failed = false;
  std::exception_ptr error;
  parallel_for(n, [&](int64_t i) {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      body(i);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
}

/// Index of the calling thread's part of a scratch block that has num_threads() parts.
inline int64_t scratch_index(int64_t n_parts) {
  return thread_index() % n_parts;
}

inline int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace dedit::cpu

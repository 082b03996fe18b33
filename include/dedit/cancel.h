// CancelToken: how a caller (or a signal handler) stops a run between two operations.
#pragma once

#include <atomic>

#include "dedit/error.h"

namespace dedit {

/// Lock-free and async-signal-safe to set; share one between threads by reference.
class CancelToken {
 public:
  void cancel(ErrorKind why = ErrorKind::kInterrupted) { why_.store(static_cast<int>(why)); }
  bool is_cancelled() const { return why_.load(std::memory_order_relaxed) != 0; }
  /// Throws Error(kInterrupted or kTerminated) if cancelled.
  void check() const {
    if (is_cancelled()) throw Error(static_cast<ErrorKind>(why_.load()), "interrupted");
  }

 private:
  std::atomic<int> why_{0};
};

}  // namespace dedit

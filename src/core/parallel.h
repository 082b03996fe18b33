// parallel_for: the one way work is spread over threads. Results must not depend on their number:
// each index is computed by one thread in a fixed order, and sums across indices are taken over
// blocks whose boundaries depend on the shape alone.
#pragma once

#include <cstdint>

namespace dedit {

/// Threads of the loops that the calling thread starts (itself included); n < 1 means all cores.
/// Each calling thread has workers of its own, so sessions in two threads do not wait for each
/// other.
void set_num_threads(int n);
int num_threads();

/// 0 for the thread that started the running loop, 1.. for its workers; for scratch memory.
int thread_index();

/// The untemplated form: body(context, i) for 0 <= i < n.
void parallel_for(int64_t n, void (*body)(const void*, int64_t), const void* context);

/// body(i) for 0 <= i < n, in any order; a loop inside a loop runs in its own thread alone. The
/// body must not throw.
template <class Body>
void parallel_for(int64_t n, const Body& body) {
  parallel_for(
      n, [](const void* b, int64_t i) { (*static_cast<const Body*>(b))(i); }, &body);
}

}  // namespace dedit

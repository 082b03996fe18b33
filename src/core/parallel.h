// parallel_for on the one thread pool (OpenMP). Results must not depend on the number of threads:
// each index is computed by one thread in a fixed order, and sums across indices are taken over
// blocks whose boundaries depend on the shape alone.
#pragma once

#include <cstdint>
#include <omp.h>

namespace dedit {

/// Threads of parallel regions started by the calling thread; n < 1 means all cores.
inline void set_num_threads(int n) {
  omp_set_num_threads(n < 1 ? omp_get_num_procs() : n);
}
inline int num_threads() {
  return omp_get_max_threads();
}

/// body(i) for 0 <= i < n, in any order. The body must not throw.
template <class Body>
void parallel_for(int64_t n, const Body& body) {
  if (n == 1) return body(int64_t{0});
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t i = 0; i < n; ++i) body(i);
}

}  // namespace dedit

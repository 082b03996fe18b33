// GPU time of single operations and of large matrix products, by events around CUDA graphs: no
// launch of the host's is in it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "ops/shapes.h"

namespace dedit::bench {

/// Floating-point operations per second of a large matrix product on random values.
struct Peak {
  double own = 0;      ///< by our kernel
  double library = 0;  ///< by cuBLASLt; 0 where it is not found
  double best() const { return own > library ? own : library; }
};

/// What the operations of one family take in a pass.
struct FamilyTime {
  double seconds = 0, flops = 0, bytes = 0;
  int calls = 0;
};

class OpTimer {
 public:
  /// Throws Error where there is no such GPU.
  OpTimer(int gpu, DType dtype, int repeats);
  ~OpTimer();

  std::string description() const;
  Peak peak();
  /// Each operation of the pass, repeated; inputs and weights stay in the GPU's cache where they
  /// fit. By family.
  std::map<std::string, FamilyTime> run(const Pass& pass);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// GiB of the GPU's memory that are in use, by all processes.
double gpu_memory_gib(int gpu);

}  // namespace dedit::bench

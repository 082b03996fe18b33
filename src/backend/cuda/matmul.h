// Matmul: a library's matrix products, where it has been found.
#pragma once

#include <string>

#include "cuda/product.h"

namespace dedit::cuda {

class Matmul {
 public:
  virtual ~Matmul() = default;
  /// "cuBLASLt 13.0"
  virtual std::string description() const = 0;
  /// Of any product that it takes.
  virtual size_t workspace_bytes() const = 0;
  /// Queues a linear layer (kernel 1, one input) and says so, or does nothing: our kernel then
  /// serves. Which of the two depends on the arguments alone.
  virtual bool product(Stream stream, const ProductArgs& args, void* workspace) = 0;
};

}  // namespace dedit::cuda

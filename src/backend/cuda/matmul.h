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
  /// y = x w^T + bias + residual of a linear layer: kernel 1, one input, no activation. `bias` is
  /// args.bias in args.type. Queues it and says so, or does nothing: our kernel then serves. Which
  /// of the two depends on the sizes and flags in `args` alone.
  virtual bool product(Stream stream, const ProductArgs& args, const void* bias,
                       void* workspace) = 0;
};

}  // namespace dedit::cuda

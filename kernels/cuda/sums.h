// Sums over whole tensors, for reports: the host then fetches one number instead of the tensor.
#pragma once

#include "cuda/contract.h"

namespace dedit::cuda {

size_t sum_of_squares_workspace_bytes(int64_t n);
/// *y = sum of x_i^2 over n elements, squared and summed in double.
void sum_of_squares(Stream stream, const void* x, Type type, int64_t n, double* y, void* workspace);

}  // namespace dedit::cuda

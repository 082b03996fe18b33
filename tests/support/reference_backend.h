// The second implementation of Backend: plain loops in double precision. It is the oracle of the
// kernels' tests and runs the whole model suite, which keeps the Backend contract honest.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace dedit {

/// Activations and parameters are f64; tensors of any activation type (f32, bf16, f16, f64) are
/// taken and given all the same, so that f32 sampler state works. Everything is summed in double.
/// Fuses nothing: ops.cpp composes, and conv2d throws on a concat, norm or upsampled input.
std::unique_ptr<Backend> make_reference_backend();

}  // namespace dedit

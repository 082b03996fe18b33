// What every header of a kernel family shares. These headers are plain C++: the backend's host code
// includes them, and links either the GPU's kernels or, in tests, the emulated ones.
//
// Rules of all functions of kernels/cuda: they queue work on `stream` and return; pointers are the
// device's; arrays are contiguous, with addresses that are multiples of 16 (64 for whole tensors);
// sums are taken in f32, in an order that the shapes alone decide, without atomics, so that results
// are the same to the bit in every run. Workspaces are the caller's: a function names the bytes it
// needs, and what it leaves there means nothing. They throw std::runtime_error where the device
// refuses a launch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dedit::cuda {

enum class Type : uint8_t { kF32, kBF16, kF16 };

constexpr int64_t size_of(Type t) {
  return t == Type::kF32 ? 4 : 2;
}

enum class Activation : uint8_t { kNone, kSilu, kGelu, kQuickGelu };

/// The queue of a device, a cudaStream_t.
using Stream = void*;

}  // namespace dedit::cuda

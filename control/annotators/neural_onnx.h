// What an ONNX file says of its network, read from its bytes: an engine gets to see only files that
// are whole and whose tensors have the lengths they claim.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dedit::annotators {

struct OnnxInput {
  std::string name;
  std::vector<int64_t> shape;  ///< 0 where any size will do
};

struct OnnxOutput {
  std::string name;
  std::string op;  ///< the operator that makes it
};

struct OnnxModel {
  std::vector<OnnxInput> inputs;  ///< without those that are weights
  std::vector<OnnxOutput> outputs;
  std::vector<std::string> ops;  ///< operators, sorted, each once
  /// The largest of (kernel's side / stride^2) of its deconvolutions (ConvTranspose), 0 without
  /// one.
  double deconvolution = 0;
};

/// Throws Error(kModel), naming `path`, for bytes that are not ONNX, end too early, keep their
/// weights in another file, or hold a tensor whose data is shorter or longer than its shape.
OnnxModel read_onnx(std::span<const std::byte> bytes, const std::string& path);

/// The same file, its input `name` of the fixed `shape`: engines that decide on sizes as they read
/// the file can then run networks that take any. `bytes` must have passed read_onnx.
std::string with_input_shape(std::span<const std::byte> bytes, const std::string& name,
                             std::span<const int64_t> shape);

/// The same file, constant bounds of Clip as attributes: OpenCV 4.6 does not know them as inputs,
/// which they are since opset 11.
std::string with_old_clips(std::span<const std::byte> bytes);

}  // namespace dedit::annotators

#include "annotators/neural_onnx.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "dedit/error.h"

namespace dedit::annotators {
namespace {

using Bytes = std::vector<std::byte>;

Bytes read(const std::string& name) {
  std::ifstream file(std::string(DEDIT_TEST_DATA) + "/neural/" + name, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::string error_of(const Bytes& bytes) {
  try {
    read_onnx(bytes, "f.onnx");
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kModel);
    return e.what();
  }
  return "no error";
}

TEST(NeuralOnnx, InputsOutputsAndOperatorsAreRead) {
  const OnnxModel mlsd = read_onnx(read("mlsd.onnx"), "mlsd.onnx");
  ASSERT_EQ(mlsd.inputs.size(), 1u);
  EXPECT_EQ(mlsd.inputs[0].name, "picture");
  EXPECT_EQ(mlsd.inputs[0].shape, (std::vector<int64_t>{1, 4, 0, 0}));
  ASSERT_EQ(mlsd.outputs.size(), 1u);
  EXPECT_EQ(mlsd.outputs[0].op, "Slice");
  EXPECT_NE(std::find(mlsd.ops.begin(), mlsd.ops.end(), "Clip"), mlsd.ops.end());
  EXPECT_EQ(mlsd.deconvolution, 0);
  EXPECT_EQ(read_onnx(read("lineart.onnx"), "lineart.onnx").deconvolution, 3.0 / 4);
  EXPECT_EQ(read_onnx(read("teed.onnx"), "teed.onnx").deconvolution, 4.0 / 4);
  const OnnxModel pidinet = read_onnx(read("pidinet.onnx"), "pidinet.onnx");
  ASSERT_EQ(pidinet.outputs.size(), 5u);
  EXPECT_EQ(pidinet.outputs[4].name, "fused");
  EXPECT_EQ(pidinet.outputs[4].op, "Sigmoid");
}

TEST(NeuralOnnx, OtherFilesAreNamedSo) {
  EXPECT_EQ(error_of({}), "f.onnx: is not an ONNX file");
  const std::string texts[] = {"hello, world", "\x89PNG\r\n\x1a\n", "PK\x03\x04", "\x08"};
  for (const std::string& text : texts) {
    Bytes bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    EXPECT_EQ(error_of(bytes), "f.onnx: is not an ONNX file");
  }
}

TEST(NeuralOnnx, EveryTruncationIsSeen) {
  const Bytes whole = read("mlsd.onnx");
  EXPECT_EQ(error_of(whole), "no error");
  for (size_t size = 2; size < whole.size(); size += size < 200 ? 1 : 97) {
    EXPECT_EQ(error_of(Bytes(whole.begin(), whole.begin() + std::ptrdiff_t(size))),
              "f.onnx: the ONNX file is truncated or damaged")
        << size;
  }
}

TEST(NeuralOnnx, DamagedBytesNeverReadBeyondTheFile) {
  const Bytes whole = read("midas.onnx");
  uint32_t random = 7;
  for (int n = 0; n < 300; ++n) {
    Bytes bytes = whole;
    for (int k = 0; k < 4; ++k) {
      random = random * 1664525 + 1013904223;
      const size_t at = (random >> 8) % (k == 0 ? 64 : bytes.size());
      bytes[at] = std::byte(random >> 24);
    }
    try {
      const OnnxModel model = read_onnx(bytes, "f.onnx");
      if (!model.inputs.empty()) {
        const int64_t shape[] = {1, 3, 8, 8};
        const std::string fixed = with_input_shape(bytes, model.inputs[0].name, shape);
        with_old_clips(std::as_bytes(std::span(fixed)));
      }
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kModel);
    }
  }
}

/// A tensor of two floats that says it has `dims`, in a model.
Bytes model_with_tensor(char dims, char where) {
  const std::string tensor = {'\x08', dims, '\x10', 1, '\x4a', 8, 0,      0,
                              0,      0,    0,      0, 0,      0, '\x70', where};
  const std::string graph = std::string("\x2a") + char(tensor.size()) + tensor;
  const std::string text =
      std::string("\x08\x07\x3a") + char(graph.size()) + graph + std::string("\x42\x02\x10\x0b", 4);
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

TEST(NeuralOnnx, TensorsHaveTheBytesOfTheirShapes) {
  EXPECT_EQ(error_of(model_with_tensor(2, 0)), "no error");
  EXPECT_EQ(error_of(model_with_tensor(3, 0)), "f.onnx: the ONNX file is truncated or damaged");
  EXPECT_EQ(error_of(model_with_tensor(1, 0)), "f.onnx: the ONNX file is truncated or damaged");
  EXPECT_EQ(error_of(model_with_tensor(2, 1)),
            "f.onnx: the network keeps its weights in another file");
}

TEST(NeuralOnnx, InputShapesCanBeFixed) {
  const Bytes bytes = read("hed.onnx");
  const int64_t shape[] = {1, 3, 128, 192};
  const std::string fixed = with_input_shape(bytes, "picture", shape);
  const OnnxModel model = read_onnx(std::as_bytes(std::span(fixed)), "hed.onnx");
  EXPECT_EQ(model.inputs[0].shape, (std::vector<int64_t>{1, 3, 128, 192}));
  EXPECT_EQ(model.outputs.size(), 5u);
}

}  // namespace
}  // namespace dedit::annotators

#include "dedit/tensor_value.h"

#include <gtest/gtest.h>

#include "io/model_files.h"

namespace dedit {
namespace {

using testing::expect_error;
using testing::TempFolder;

TEST(TensorValue, ReadsBackWhatItWrote) {
  const TempFolder folder;
  const std::string path = folder / "latents.safetensors";
  const TensorValue latents{{1, 2, 1, 2}, {1, -2, 3.25f, 0}};
  save_tensors(path, {{"latents", latents}, {"empty", {{0}, {}}}});
  const TensorValue read = load_tensor(path, "latents");
  EXPECT_EQ(read.shape, latents.shape);
  EXPECT_EQ(read.values, latents.values);
  EXPECT_TRUE(load_tensor(path, "empty").values.empty());
}

TEST(TensorValue, ConvertsHalfTypes) {
  const TempFolder folder;
  testing::write_test_tensors(folder / "f32.safetensors", {{"x", "x", {3, 3}}});
  for (const DType type : {DType::kF16, DType::kBF16}) {
    testing::write_test_tensors(folder / "half.safetensors", {{"x", "x", {3, 3}}}, type);
    EXPECT_EQ(load_tensor(folder / "half.safetensors", "x").values,
              load_tensor(folder / "f32.safetensors", "x").values);
  }
}

TEST(TensorValue, ReportsInputsThatCannotBeRead) {
  const TempFolder folder;
  const std::string path = folder / "t.safetensors";
  expect_error([&] { load_tensor(path, "x"); }, ErrorKind::kInput, "there is no such file");
  testing::write_file(path, "\x89PNG\r\n\x1a\n picture");
  expect_error([&] { load_tensor(path, "x"); }, ErrorKind::kInput, "is a PNG picture");
  testing::write_file(
      path, testing::safetensors_bytes(
                R"({"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", "12345678"));
  expect_error([&] { load_tensor(path, "ids"); }, ErrorKind::kInput, "tensor 'ids' has type I64");
  expect_error([&] { load_tensor(path, "x"); }, ErrorKind::kInput, "there is no tensor 'x'",
               "the file has no f32, f16 or bf16 tensors");
  save_tensors(path, {{"latents", {{1}, {1}}}, {"noise", {{1}, {1}}}});
  expect_error([&] { load_tensor(path, "x"); }, ErrorKind::kInput, "there is no tensor 'x'",
               "the file has 'latents', 'noise'");
}

TEST(TensorValue, RefusesValuesThatDoNotFillTheirShape) {
  const TempFolder folder;
  const std::string path = folder / "t.safetensors";
  expect_error(
      [&] {
        save_tensors(path, {{"x", {{2, 2}, {1, 2, 3}}}});
      },
      ErrorKind::kUsage, "tensor 'x' of shape [2, 2] has 3 values");
  expect_error(
      [&] {
        save_tensors(path, {{"x", {{-1, -1}, {1}}}});
      },
      ErrorKind::kUsage, "tensor 'x' of shape [-1, -1] has 1 values");
  expect_error(
      [&] {
        save_tensors(path, {{"x", {{1, 1, 1, 1, 1}, {1}}}});
      },
      ErrorKind::kUsage, "tensor 'x' has 5 dimensions, more than 4");
  EXPECT_EQ(folder.n_entries(), 0u);
}

}  // namespace
}  // namespace dedit

#include "io/safetensors.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "core/str.h"
#include "io/model_files.h"

namespace dedit {
namespace {

using testing::expect_error;
using testing::safetensors_bytes;
using testing::TempFolder;
using testing::write_file;

struct BadFile {
  const char* name;
  std::string bytes;
  const char* message;
  const char* hint;
};

std::string one_tensor(const std::string& entry, size_t n_bytes = 16) {
  return safetensors_bytes("{\"w\":" + entry + "}", std::string(n_bytes, 'x'));
}

std::string two_tensors(int begin, int end, size_t n_bytes = 16) {
  return safetensors_bytes(
      str(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)",
          R"("b":{"dtype":"F32","shape":[2],"data_offsets":[)", begin, ",", end, "]}}"),
      std::string(n_bytes, 'x'));
}

const char* const kIncomplete = "the download is incomplete";

/// Every way in which the outside of a file can lie.
std::vector<BadFile> bad_containers() {
  std::string long_header = one_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})");
  std::string huge_header = long_header;
  huge_header[7] = '\x7f';
  std::string cut_header = long_header.substr(0, 20);
  return {
      {"empty", "", "the file is empty", ""},
      {"three bytes", std::string("\1\2\3", 3), "is 3 bytes long, too short", ""},
      {"length alone", std::string("\0\0\0\0\0\0\0\0", 8), "is 8 bytes long, too short", ""},
      {"zeros", std::string(100, '\0'), "its header does not start with '{'", ""},
      {"cut in the header", cut_header, "bytes is longer than the file", kIncomplete},
      {"huge header", huge_header, "is over the limit of 100000000", ""},
      {"png", "\x89PNG\r\n\x1a\n" + std::string(50, 'x'), "is a PNG picture", "safetensors"},
      {"jpeg", "\xff\xd8\xff\xe0" + std::string(50, 'x'), "is a JPEG picture", ""},
      {"torch zip", "PK\x03\x04" + std::string(50, 'x'), "is a PyTorch checkpoint", "convert"},
      {"pickle", "\x80\x02}q" + std::string(50, 'x'), "is a PyTorch pickle", "convert"},
      {"lfs", "version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer", "git lfs pull"},
      {"page", "<!DOCTYPE html><html><body>404</body></html>", "is a web page", "download"},
      {"text", "a red armchair in a room", "is a text file, not a safetensors file", ""},
      {"short text", "hello", "is a text file", ""},
      {"not json", safetensors_bytes("{\"w\":", ""), "is not valid JSON", ""},
      {"not utf-8", safetensors_bytes("{\"\xff\xfe\":1}", ""), "is not valid JSON", ""},
      {"an array", safetensors_bytes("[1]", ""), "does not start with '{'", ""},
      {"two documents", safetensors_bytes("{}{}", ""), "is not valid JSON", ""},
      {"deep", safetensors_bytes("{\"w\":[[[[[[]]]]]]}", ""), "nested deeper", ""},
      {"metadata list", safetensors_bytes(R"({"__metadata__":[]})", ""), "__metadata__", ""},
      {"metadata number", safetensors_bytes(R"({"__metadata__":{"a":1}})", ""),
       "metadata 'a' is not a string", ""},
      {"data of no tensor", safetensors_bytes("{}", "xy"), "2 bytes follow its last tensor", ""},
  };
}

/// Every way in which the description of a tensor can lie.
std::vector<BadFile> bad_entries() {
  return {
      {"not an object", one_tensor("7"), "tensor 'w' is not described by a JSON object", ""},
      {"no dtype", one_tensor(R"({"shape":[4],"data_offsets":[0,16]})"), "'w' has no 'dtype'", ""},
      {"unknown dtype", one_tensor(R"({"dtype":"F7","shape":[4],"data_offsets":[0,16]})"),
       "tensor 'w' has unknown type 'F7'", ""},
      {"no shape", one_tensor(R"({"dtype":"F32","data_offsets":[0,16]})"),
       "tensor 'w' has no list 'shape'", ""},
      {"negative", one_tensor(R"({"dtype":"F32","shape":[-4],"data_offsets":[0,16]})"),
       "tensor 'w' has -4 in 'shape'", ""},
      {"fraction", one_tensor(R"({"dtype":"F32","shape":[4.0],"data_offsets":[0,16]})"),
       "tensor 'w' has 4.0 in 'shape'", ""},
      {"over 64 bits",
       one_tensor(R"({"dtype":"F32","shape":[9999999999999999999],"data_offsets":[0,16]})"),
       "tensor 'w' has 9999999999999999999 in 'shape'", ""},
      {"product over 64 bits",
       one_tensor(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})"),
       "shape [4294967296, 4294967296] has no possible size", ""},
      {"half a byte", one_tensor(R"({"dtype":"F4","shape":[3],"data_offsets":[0,1]})"),
       "has no possible size", ""},
      {"one offset", one_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[0]})"),
       "tensor 'w' has 1 offsets, not 2", ""},
      {"text offset", one_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[0,"16"]})"),
       "has \"16\" in 'data_offsets'", ""},
      {"reversed", one_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[16,0]})"),
       "tensor 'w' ends at byte 0, before its start 16", ""},
      {"wrong size", one_tensor(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})"),
       "tensor 'w' of type F32 and shape [3] needs 12 bytes, its offsets give 16", ""},
      {"overlap", two_tensors(4, 12), "the data of 'a' and 'b' overlap", "damaged"},
      {"gap", two_tensors(12, 20, 20), "4 bytes between 'a' and 'b' belong to no tensor", ""},
      {"trailing", two_tensors(8, 16, 17), "1 bytes follow its last tensor", ""},
      {"cut", two_tensors(8, 16, 15), "the file ends inside tensor 'b'", kIncomplete},
      {"far outside",
       one_tensor(R"({"dtype":"U8","shape":[9223372036854775807],)"
                  R"("data_offsets":[0,9223372036854775807]})"),
       "has no possible size", ""},
      {"twice",
       safetensors_bytes(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                         R"("w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                         ""),
       "its header has 'w' twice", ""},
      {"field twice",
       one_tensor(R"({"dtype":"F32","shape":[4],"shape":[4],"data_offsets":[0,16]})"),
       "its header has 'shape' twice", ""},
  };
}

void check_refusals(const std::vector<BadFile>& files) {
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  for (const BadFile& file : files) {
    SCOPED_TRACE(file.name);
    write_file(path, file.bytes);
    expect_error([&] { SafetensorsFile::open(path); }, ErrorKind::kModel, file.message, file.hint);
    expect_error([&] { SafetensorsFile::open(path); }, ErrorKind::kModel, path + ": ");
  }
}

TEST(Safetensors, RefusesFilesThatLieAboutThemselves) {
  check_refusals(bad_containers());
}

TEST(Safetensors, RefusesTensorsThatLieAboutThemselves) {
  check_refusals(bad_entries());
}

TEST(Safetensors, NamesExpectedAndFoundLengthOfATruncatedFile) {
  const TempFolder folder;
  const std::string path = folder / "cut.safetensors";
  const std::string whole = two_tensors(8, 16);
  write_file(path, whole.substr(0, whole.size() - 3));
  expect_error([&] { SafetensorsFile::open(path); }, ErrorKind::kModel, "inside tensor 'b'",
               str("expected ", whole.size(), " bytes, found ", whole.size() - 3));
}

TEST(Safetensors, KeepsControlCharactersAndEndlessNamesOutOfMessages) {
  const TempFolder folder;
  const std::string path = folder / "t.safetensors";
  write_file(path, safetensors_bytes(R"({"a\u001b[2J\n":7})", ""));
  expect_error([&] { SafetensorsFile::open(path); }, ErrorKind::kModel, "tensor 'a?[2J?' is not");
  write_file(path, safetensors_bytes("{\"" + std::string(5000, 'n') + "\":7}", ""));
  expect_error([&] { SafetensorsFile::open(path); }, ErrorKind::kModel,
               std::string(100, 'n') + "...' is not");
}

TEST(Safetensors, RefusesWhatIsNoRegularFile) {
  const TempFolder folder;
  expect_error([&] { SafetensorsFile::open(folder / "absent"); }, ErrorKind::kModel,
               "there is no such file");
  expect_error([&] { SafetensorsFile::open(folder.path()); }, ErrorKind::kModel, "is a folder");
  expect_error([&] { SafetensorsFile::open("/dev/zero"); }, ErrorKind::kModel,
               "is not a regular file");
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TempFolder folder;
  const std::string path = folder / "t.safetensors";
  const std::array<float, 6> a = {1, -2, 3.5f, 0, 1e-30f, 6};
  const std::array<Half, 2> b = {to_half(0.5f), to_half(-3)};
  const std::array<BFloat16, 1> c = {to_bfloat16(7)};
  const std::array<int32_t, 2> d = {1, 2};
  const NamedTensor tensors[] = {{"z", {2, 3}, DType::kF32, a.data()},
                                 {"half \"quoted\" \xc3\xa9", {1, 2, 1, 1}, DType::kF16, b.data()},
                                 {"scalar", {}, DType::kBF16, c.data()},
                                 {"ids", {2}, DType::kI32, d.data()},
                                 {"none", {0, 4}, DType::kF32, nullptr}};
  save_safetensors(path, tensors, {{"format", "pt"}, {"note", "line\nline"}});

  const auto file = SafetensorsFile::open(path);
  EXPECT_EQ(file->metadata(),
            (std::map<std::string, std::string>{{"format", "pt"}, {"note", "line\nline"}}));
  EXPECT_EQ(file->header().size() % 8, 0u);
  ASSERT_EQ(file->tensors().size(), 4u);
  EXPECT_EQ(file->other(), (std::map<std::string, std::string, std::less<>>{{"ids", "I32"}}));
  const WeightView z = file->tensors().at("z");
  EXPECT_EQ(z.shape, (Shape{2, 3}));
  EXPECT_EQ(z.dtype, DType::kF32);
  EXPECT_EQ(std::memcmp(z.data, a.data(), sizeof a), 0);
  EXPECT_EQ(file->tensors().at("none").numel(), 0);
  EXPECT_TRUE(file->tensors().at("none"));
  std::array<float, 2> read{};
  read_f32(file->tensors().at("half \"quoted\" \xc3\xa9"), 0, 2, read.data());
  EXPECT_EQ(read, (std::array<float, 2>{0.5f, -3}));
  read_f32(file->tensors().at("scalar"), 0, 1, read.data());
  EXPECT_EQ(read[0], 7);
}

TEST(Safetensors, KeepsTensorsOfUnreadTypesAndRanksAside) {
  const TempFolder folder;
  const std::string path = folder / "t.safetensors";
  write_file(path,
             safetensors_bytes(R"({"f8":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]},)"
                               R"("five":{"dtype":"F16","shape":[1,1,1,1,2],"data_offsets":[4,8]},)"
                               R"("f64":{"dtype":"F64","shape":[],"data_offsets":[8,16]}} )",
                               std::string(16, 'x')));
  const auto file = SafetensorsFile::open(path);
  EXPECT_TRUE(file->tensors().empty());
  EXPECT_EQ(file->other().size(), 3u);
  EXPECT_EQ(file->other().at("f8"), "F8_E4M3");
}

TEST(Safetensors, WritesNothingWhereTheFolderIsMissing) {
  const TempFolder folder;
  const float x = 1;
  const NamedTensor tensors[] = {{"x", {1}, DType::kF32, &x}};
  expect_error([&] { save_safetensors(folder.path() + "/absent/t.safetensors", tensors); },
               ErrorKind::kOutput, "its folder does not exist");
  EXPECT_EQ(folder.n_entries(), 0u);
}

}  // namespace
}  // namespace dedit

// Inputs and models that are missing, broken or of the wrong kind: one sentence, the right code.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string safetensors(const json& header, const std::string& data) {
  const std::string text = header.dump();
  const uint64_t size = text.size();
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes + text + data;
}

/// A new ControlNet of the model that ships, named `name`.
void make_control(const Workplace& at, const std::string& name) {
  const Outcome made = at.run({"control", "init", "-o", name});
  ASSERT_EQ(made.code, 0) << made.err;
}

std::string weights_of(const Workplace& at, const std::string& folder) {
  for (const auto& entry : fs::directory_iterator(at.path(folder))) {
    if (entry.path().extension() == ".safetensors") {
      return folder + "/" + entry.path().filename().string();
    }
  }
  return "none";
}

/// Gives the ControlNet the context width of SD 2.x, as its own training would have.
void widen_context(const Workplace& at, const std::string& folder) {
  constexpr int kWidth = 1024;
  json config = json::parse(at.read(folder + "/config.json"));
  config["cross_attention_dim"] = kWidth;
  at.write(folder + "/config.json", config.dump());
  const std::string file = weights_of(at, folder);
  const std::string bytes = at.read(file);
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  json header = json::parse(bytes.substr(8, size));
  size_t end = 0;
  for (auto& [name, row] : header.items()) {
    if (name == "__metadata__") continue;
    if (name.find("attn2.to_k") != std::string::npos ||
        name.find("attn2.to_v") != std::string::npos) {
      row["shape"][1] = kWidth;
    }
    size_t n_bytes = row["dtype"] == "F32" ? 4 : 2;
    for (const size_t side : row["shape"]) n_bytes *= side;
    row["data_offsets"] = {end, end + n_bytes};
    end += n_bytes;
  }
  at.write(file, safetensors(header, std::string(end, '\0')));
}

Outcome with_control(const Workplace& at, const std::string& control) {
  return at.run({"canny", "--image", "a.png", "--control-model", control, "--steps", "1",
                 "--threads", "2", "-q", "-o", "o.png"});
}

TEST(Inputs, MissingPictureIsAnInputError) {
  const Workplace at;
  expect_error(at.run({"img2img", "--image", "no.png", "-o", "o.png"}), 3, {"no.png"});
  expect_error(at.run({"annotate", "canny", "no.png", "-o", "o.png"}), 3, {"no.png"});
  expect_error(at.run({"mask", "box", "no.png", "--xywh", "0,0,1,1", "-o", "o.png"}), 3,
               {"no.png"});
  expect_error(at.run({"inspect", "no.png"}), 3, {"no.png"});
  expect_error(at.run({"generate", "--latents", "no.safetensors", "-o", "o.png"}), 3,
               {"no.safetensors"});
}

TEST(Inputs, BrokenPictureIsAnInputErrorAtEveryLength) {
  const Workplace at;
  at.make_picture("a.png");
  const std::string whole = at.read("a.png");
  for (const size_t length :
       {size_t{0}, size_t{1}, size_t{8}, size_t{20}, whole.size() / 2, whole.size() - 14}) {
    at.write("cut.png", whole.substr(0, length));
    expect_error(at.run({"img2img", "--image", "cut.png", "-o", "o.png"}), 3, {"cut.png"});
  }
  at.write("text.png", "not a picture");
  expect_error(at.run({"img2img", "--image", "text.png", "-o", "o.png"}), 3, {"text.png"});
  expect_error(at.run({"img2img", "--image", "-", "-o", "o.png"}, {.input = "no picture"}), 3, {});
}

TEST(Inputs, MissingModelIsAModelError) {
  const Workplace at;
  fs::create_directory(at.path("empty"));
  expect_error(at.run({"generate", "--model", "nowhere", "-o", "o.png"}), 4, {"nowhere"});
  expect_error(at.run({"generate", "--model", "empty", "-o", "o.png"}), 4, {"empty"});
  EXPECT_EQ(at.names(), std::vector<std::string>{"empty"});
}

TEST(Inputs, BrokenModelFileIsAModelError) {
  const Workplace at;
  const json row = {{"dtype", "F32"}, {"shape", {4}}, {"data_offsets", {0, 16}}};
  const json lying = {{"dtype", "F32"}, {"shape", {4}}, {"data_offsets", {0, 1 << 30}}};
  const json huge = {{"dtype", "F32"}, {"shape", {1LL << 62, 4}}, {"data_offsets", {0, 16}}};
  const std::string good = safetensors({{"a", row}}, std::string(16, '\0'));
  const std::pair<const char*, std::string> files[] = {
      {"empty", ""},
      {"short", good.substr(0, 5)},
      {"header", good.substr(0, 30)},
      {"data", good.substr(0, good.size() - 1)},
      {"lying", safetensors({{"a", lying}}, std::string(16, '\0'))},
      {"huge", safetensors({{"a", huge}}, std::string(16, '\0'))},
      {"long", std::string(8, '\x7f') + good.substr(8)},
      {"foreign", good},
  };
  for (const auto& [name, bytes] : files) {
    const std::string file = std::string(name) + ".safetensors";
    at.write(file, bytes);
    expect_error(at.run({"generate", "--model", file, "-o", "o.png"}), 4, {file});
  }
}

TEST(Inputs, TruncatedControlNetIsAModelError) {
  const Workplace at;
  at.make_picture("a.png");
  make_control(at, "net");
  const std::string file = weights_of(at, "net");
  const std::string bytes = at.read(file);
  at.write(file, bytes.substr(0, bytes.size() / 2));
  expect_error(with_control(at, "net"), 4, {"net"});
}

TEST(Inputs, ControlNetOfAnotherFamilyIsAModelError) {
  const Workplace at;
  at.make_picture("a.png");
  make_control(at, "sd2");
  widen_context(at, "sd2");
  expect_error(with_control(at, "sd2"), 4, {"1024"});
  EXPECT_EQ(at.read("o.png"), "");
}

TEST(Inputs, NewControlNetChangesNothing) {
  const Workplace at;
  at.make_picture("a.png");
  make_control(at, "net");
  expect_error(at.run({"control", "init", "-o", "net"}), 9, {"'net' exists"});
  ASSERT_EQ(with_control(at, "net").code, 0);
  ASSERT_EQ(at.run({"generate", "--width", "64", "--height", "64", "--steps", "1", "--threads", "2",
                    "-o", "plain.ppm"})
                .code,
            0);
  const Outcome controlled = at.run({"canny", "--image", "a.png", "--control-model", "net",
                                     "--steps", "1", "--threads", "2", "-o", "o.ppm"});
  ASSERT_EQ(controlled.code, 0) << controlled.err;
  EXPECT_EQ(at.read("o.ppm"), at.read("plain.ppm"));
}

}  // namespace
}  // namespace dedit::cli_tests

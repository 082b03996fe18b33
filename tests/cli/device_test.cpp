// --device and what --version says of it.
#include <gtest/gtest.h>

#include "run.h"

namespace dedit::cli_tests {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> generate(const std::vector<std::string>& more) {
  std::vector<std::string> words = {"generate", "--prompt", "a cat", "--steps", "1",    "--width",
                                    "64",       "--height", "64",    "-o",      "o.png"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Device, IsNamedByTheLogAndTheCpuIsAlwaysThere) {
  const Workplace at;
  const Outcome made = at.run(generate({"--device", "cpu", "-v"}));
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(contains(made.err, " on cpu ")) << made.err;
  EXPECT_TRUE(contains(made.err, "(asked for)")) << made.err;
}

TEST(Device, UnknownNamesAreUsage) {
  const Workplace at;
  expect_error(at.run(generate({"--device", "gpu"})), 2, {"--device gpu is unknown", "auto, cpu"});
  expect_error(at.run(generate({"--device", "cpu", "--dtype", "f16"})), 2,
               {"--dtype f16 needs a GPU"});
}

TEST(Device, AGpuThatIsNotThereIsUsageWithTheReason) {
  const Workplace at;
  const Outcome version = at.run({"--version"});
  if (contains(version.out, "cuda:0: ")) {
    expect_error(at.run(generate({"--device", "cuda:99"})), 2, {"the last GPU here is cuda:"});
    return;
  }
  ASSERT_TRUE(contains(version.out, "GPU: none (")) << version.out;
  expect_error(at.run(generate({"--device", "cuda"})), 2, {"--device cuda: ", "--device cpu"});
  EXPECT_TRUE(at.names().empty());
}

TEST(Device, LowMemoryMakesTheSameFile) {
  const Workplace at;
  const Outcome plain = at.run(generate({"--device", "cpu", "--save-latents", "l.safetensors"}));
  ASSERT_EQ(plain.code, 0) << plain.err;
  const std::string picture = at.read("o.png");
  const Outcome low = at.run(generate({"--device", "cpu", "--low-memory"}));
  EXPECT_EQ(low.code, 0) << low.err;
  EXPECT_EQ(at.read("o.png"), picture);
  EXPECT_EQ(at.run({"decode", "l.safetensors", "--low-memory", "-o", "d.png"}).code, 0);
  EXPECT_EQ(at.run({"encode", "o.png", "--low-memory", "-o", "e.safetensors"}).code, 0);
  for (const char* command : {"generate", "img2img", "inpaint", "canny", "decode", "encode"}) {
    EXPECT_TRUE(contains(at.run({command, "--help"}).out, "--low-memory")) << command;
  }
}

TEST(Device, EncodeAndDecodeTakeItToo) {
  const Workplace at;
  at.make_picture("a.png");
  const Outcome encoded = at.run({"encode", "a.png", "--device", "cpu", "-o", "a.safetensors"});
  EXPECT_EQ(encoded.code, 0) << encoded.err;
  const Outcome decoded = at.run({"decode", "a.safetensors", "--device", "cpu", "-o", "b.png"});
  EXPECT_EQ(decoded.code, 0) << decoded.err;
  expect_error(at.run({"decode", "a.safetensors", "--device", "tpu", "-o", "c.png"}), 2,
               {"--device tpu is unknown"});
}

}  // namespace
}  // namespace dedit::cli_tests

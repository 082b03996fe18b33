// Signals during a run.
#include <filesystem>
#include <signal.h>

#include <gtest/gtest.h>

#include "cli/run.h"

namespace dedit::cli_tests {
namespace {

Outcome interrupted(const Workplace& at, int signal) {
  return at.run(
      {"generate", "--width", "64", "--height", "64", "--steps", "900", "--scheduler", "ddim",
       "--threads", "2", "--progress", "json", "--save-latents", "l.safetensors", "-o", "o.png"},
      {.signal = signal, .signal_after = "\"step\":1,"});
}

TEST(Interrupt, EndsTheRunWithoutAFile) {
  for (const auto& [signal, code] : {std::pair(SIGINT, 130), std::pair(SIGTERM, 143)}) {
    const Workplace at;
    const Outcome ended = interrupted(at, signal);
    EXPECT_EQ(ended.code, code) << ended.err;
    EXPECT_NE(ended.err.find("dedit: interrupted\n"), std::string::npos);
    EXPECT_EQ(ended.err.find("\"step\":900,"), std::string::npos);
    EXPECT_TRUE(at.names().empty());
  }
}

// Weights are read where their file is mapped.
TEST(Interrupt, AModelFileCutShortDuringARunEndsItWithASentence) {
  namespace fs = std::filesystem;
  const Workplace at;
  fs::copy(DEDIT_MINI_DIR, at.path("model"), fs::copy_options::recursive);
  const fs::path weights = at.path("model/unet/diffusion_pytorch_model.safetensors");
  const Outcome ended =
      at.run({"generate", "--model", "model", "--width", "64", "--height", "64", "--steps", "900",
              "--progress", "json", "-o", "o.png"},
             {.signal_after = "\"step\":1,", .act = [&] { fs::resize_file(weights, 4096); }});
  EXPECT_EQ(ended.code, 4) << ended.err;
  EXPECT_NE(ended.err.find("dedit: a model file was cut short"), std::string::npos) << ended.err;
  EXPECT_EQ(at.names(), std::vector<std::string>{"model"});
}

}  // namespace
}  // namespace dedit::cli_tests

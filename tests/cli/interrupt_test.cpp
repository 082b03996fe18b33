// Signals during a run.
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

}  // namespace
}  // namespace dedit::cli_tests

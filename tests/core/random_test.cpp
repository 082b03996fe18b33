#include "core/random.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace dedit {
namespace {

nlohmann::json recorded() {
  std::ifstream file(DEDIT_TEST_DATA "/core/torch_random.json");
  return nlohmann::json::parse(file);
}

// The reference's vectorised log, sine and cosine differ from libm's by an ulp or two, so a value
// is right to 1e-6 of itself or, where the cosine crosses zero, of the radius.
void expect_close(double value, double expected, const std::string& where) {
  EXPECT_NEAR(value, expected, 1e-6 * std::max(1.0, std::abs(expected))) << where;
}

void check_draw(TorchCpuGenerator& generator, const nlohmann::json& draw,
                const std::string& where) {
  std::vector<float> x(draw["size"].get<size_t>());
  if (draw["kind"] == "rand") {
    generator.rand(x);
  } else {
    generator.randn(x);
  }
  const auto first = draw["first"].get<std::vector<float>>();
  const auto last = draw["last"].get<std::vector<float>>();
  double sum = 0;
  for (float v : x) sum += std::abs(v);
  for (size_t i = 0; i < first.size(); ++i) {
    expect_close(x[i], first[i], where + " first");
    expect_close(x[x.size() - last.size() + i], last[i], where + " last");
  }
  EXPECT_NEAR(sum, draw["sum_abs"].get<double>(), 1e-6 * sum) << where;
}

TEST(TorchCpuGenerator, DrawsWhatTorchDrawsForEverySizeInARow) {
  const nlohmann::json data = recorded();
  ASSERT_EQ(data["runs"].size(), 6u);
  for (const auto& run : data["runs"]) {
    const std::string seed = run["seed"];
    TorchCpuGenerator generator(std::stoull(seed));
    for (const auto& draw : run["draws"]) {
      check_draw(generator, draw, "seed " + seed + " " + draw.dump().substr(0, 40));
    }
  }
}

TEST(TorchCpuGenerator, UniformsAreExact) {
  TorchCpuGenerator generator(42);
  std::vector<float> x(3);
  generator.rand(x);  // torch.rand(3) after manual_seed(42)
  EXPECT_EQ(x[0], 0.8822692632675171f);
  EXPECT_EQ(x[1], 0.9150039553642273f);
  EXPECT_EQ(x[2], 0.38286375999450684f);
}

TEST(TorchCpuGenerator, UsesTheLow32BitsOfTheSeed) {
  TorchCpuGenerator a(7);
  TorchCpuGenerator b((uint64_t{1} << 32) + 7);
  std::vector<float> x(40), y(40);
  a.randn(x);
  b.randn(y);
  EXPECT_EQ(x, y);
}

TEST(TorchCpuGenerator, NormalsHaveUnitSpread) {
  TorchCpuGenerator generator(3);
  std::vector<float> x(1 << 16);
  generator.randn(x);
  double sum = 0, squares = 0;
  for (float v : x) {
    sum += v;
    squares += double(v) * v;
  }
  const double n = double(x.size());
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
}

// Published with the web UI's imitation of torch's CUDA generator.
TEST(PhiloxGenerator, DrawsThePublishedNumbers) {
  const float expected[] = {-0.92466259f, -0.42534415f, -2.6438457f,  0.14518388f,
                            -0.12086647f, -0.57972564f, -0.62285122f, -0.32838709f,
                            -1.07454231f, -0.36314407f, -1.67105067f, 2.26550497f};
  std::vector<float> x(12);
  PhiloxGenerator(0).randn(x);
  for (size_t i = 0; i < x.size(); ++i) expect_close(x[i], expected[i], "first call");
}

TEST(PhiloxGenerator, ANumberDependsOnSeedCallAndIndexOnly) {
  PhiloxGenerator generator((uint64_t{1} << 40) + 3);
  std::vector<float> first(100), second(100), prefix(7);
  generator.randn(first);
  generator.randn(second);
  EXPECT_NE(first, second);
  PhiloxGenerator((uint64_t{1} << 40) + 3).randn(prefix);
  EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), first.begin()));
  PhiloxGenerator(3).randn(prefix);
  EXPECT_FALSE(std::equal(prefix.begin(), prefix.end(), first.begin()));
}

}  // namespace
}  // namespace dedit

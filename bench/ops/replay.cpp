#include "replay.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "job.h"

namespace dedit::bench {
namespace {

constexpr size_t kEvictFloats = size_t{16} << 20;  // 64 MiB: more than the caches of most machines

volatile float sink;

void read_through(const float* values, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; i += 16) sum += values[i];
  sink = sum;
}

/// Fills the caches with other values, then brings back what the op before would have left.
void make_cold(const Tensor& input) {
  static std::vector<float> other(kEvictFloats, 1.0f);
  for (size_t i = 0; i < other.size(); i += 16) other[i] += 1;
  read_through(static_cast<const float*>(input.raw()), input.bytes() / sizeof(float));
}

double seconds_of(Job& job) {
  const auto begin = std::chrono::steady_clock::now();
  job.run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Sample replay(Ctx& ctx, const OpShape& shape, int runs) {
  Sample sample;
  Job job(ctx, shape);
  sample.weight_bytes = job.weight_bytes();
  sample.first = seconds_of(job);
  const Burst before = measure_burst();
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    make_cold(job.input());
    times.push_back(seconds_of(job));
  }
  const Burst after = measure_burst();
  std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
  sample.seconds = times[size_t(runs / 2)];
  sample.burst = {(before.f32 + after.f32) / 2, (before.bf16 + after.bf16) / 2,
                  (before.amx + after.amx) / 2};
  return sample;
}

}  // namespace dedit::bench

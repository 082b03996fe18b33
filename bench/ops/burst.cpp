#include "burst.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <immintrin.h>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "core/parallel.h"

namespace dedit::bench {
namespace {

constexpr int kChains = 12;  // independent sums, enough for the latency of two FMA units
constexpr double kSeconds = 0.02;

using Clock = std::chrono::steady_clock;

// Rounds until the time is over; -> rounds per second. `round` must not be optimised away.
template <class Round>
double rate(Round round) {
  const auto begin = Clock::now();
  double seconds = 0;
  int64_t done = 0;
  while (seconds < kSeconds) {
    round();
    ++done;
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return double(done) / seconds;
}

constexpr int kLoops = 4096;

volatile float sink;

__attribute__((target("avx2,fma"))) void round_avx2() {
  __m256 sum[kChains];
  for (__m256& s : sum) s = _mm256_set1_ps(1e-3f);
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-3f);
  for (int i = 0; i < kLoops; ++i) {
    for (__m256& s : sum) s = _mm256_fmadd_ps(s, a, b);
  }
  for (int i = 1; i < kChains; ++i) sum[0] = _mm256_add_ps(sum[0], sum[i]);
  sink = _mm256_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f"))) void round_avx512() {
  __m512 sum[kChains];
  for (__m512& s : sum) s = _mm512_set1_ps(1e-3f);
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
  for (int i = 0; i < kLoops; ++i) {
    for (__m512& s : sum) s = _mm512_fmadd_ps(s, a, b);
  }
  for (int i = 1; i < kChains; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  sink = _mm512_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f,avx512bf16"))) void round_bf16() {
  __m512 sum[kChains];
  for (__m512& s : sum) s = _mm512_setzero_ps();
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.5f));
  for (int i = 0; i < kLoops; ++i) {
    for (__m512& s : sum) s = _mm512_dpbf16_ps(s, a, a);
  }
  for (int i = 1; i < kChains; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  sink = _mm512_cvtss_f32(sum[0]);
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> row_bytes{};
  std::array<uint8_t, 16> rows{};
};

__attribute__((target("amx-tile,amx-bf16"))) void round_amx() {
  TileConfig config;
  for (size_t t = 0; t < 8; ++t) {
    config.row_bytes[t] = 64;
    config.rows[t] = 16;
  }
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int i = 0; i < kLoops; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  alignas(64) static thread_local float out[256];
  _tile_stored(0, out, 64);
  sink = out[0];
  _tile_release();
}

double all_threads(void (*round)(), double flops_per_round) {
  const int threads = num_threads();
  std::vector<double> rates(static_cast<size_t>(threads));
  parallel_for(threads, [&](int64_t i) { rates[size_t(i)] = rate(round); });
  double sum = 0;
  for (double r : rates) sum += r * flops_per_round;
  return sum;
}

/// 0 avx2, 1 avx512, 2 avx512_bf16, 3 amx, as DEDIT_MAX_ISA counts.
int cap() {
  const char* text = std::getenv("DEDIT_MAX_ISA");
  const std::string_view name = text ? text : "amx";
  return name == "avx2" ? 0 : name == "avx512" ? 1 : name == "avx512_bf16" ? 2 : 3;
}

bool may_use_tiles() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  unsigned a = 7, b = 0, c = 0, d = 0;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  const bool has = (d >> 24 & 1) != 0 && (d >> 22 & 1) != 0;  // amx-tile, amx-bf16
  return has && syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

}  // namespace

Burst measure_burst() {
  constexpr double kRound = double(kLoops) * kChains * 2;
  Burst b;
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && cap() >= 1;
  b.f32 = has_avx512 ? all_threads(round_avx512, kRound * 16) : all_threads(round_avx2, kRound * 8);
  if (__builtin_cpu_supports("avx512bf16") && cap() >= 2) {
    b.bf16 = all_threads(round_bf16, kRound * 32);
  }
  static const bool has_amx = may_use_tiles();
  if (has_amx && cap() >= 3) b.amx = all_threads(round_amx, double(kLoops) * 4 * 2 * 16 * 16 * 32);
  return b;
}

}  // namespace dedit::bench

// Which instruction sets this CPU and operating system support. Compiled for the baseline.
#include <cpuid.h>
#include <cstring>
#include <initializer_list>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/kernels.h"

namespace dedit::kernels {

namespace avx2 {
const KernelTable& table();
}
namespace avx512 {
const KernelTable& table();
}
namespace avx512_bf16 {
const KernelTable& table();
}
namespace amx {
const KernelTable& table();
}

namespace {

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool bit(unsigned value, int i) {
  return (value >> i) & 1;
}

/// Register sets that the operating system saves: XCR0.
unsigned saved_state(const Registers& leaf1) {
  if (!bit(leaf1.ecx, 27)) return 0;  // OSXSAVE
  unsigned eax = 0, edx = 0;
  __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return eax;
}

/// Linux gives a process the tile registers on request only (since 5.16).
bool tile_permission() {
  constexpr long kArchReqXcompPerm = 0x1023;  // asm/prctl.h
  constexpr long kXfeatureTileData = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureTileData) == 0;
}

}  // namespace

bool best_isa(IsaLevel& level) {
  const Registers leaf1 = cpuid(1, 0), leaf7 = cpuid(7, 0), leaf7_1 = cpuid(7, 1);
  const unsigned saved = saved_state(leaf1);
  constexpr unsigned kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;
  const bool avx2 = (saved & kYmm) == kYmm && bit(leaf7.ebx, 5) && bit(leaf1.ecx, 12) &&
                    bit(leaf1.ecx, 29);  // AVX2, FMA, F16C
  if (!avx2) return false;
  level = IsaLevel::kAvx2;
  const bool avx512 = (saved & kZmm) == kZmm && bit(leaf7.ebx, 16) && bit(leaf7.ebx, 17) &&
                      bit(leaf7.ebx, 30) && bit(leaf7.ebx, 31);  // F, DQ, BW, VL
  if (!avx512) return true;
  level = IsaLevel::kAvx512;
  if (!bit(leaf7_1.eax, 5)) return true;
  level = IsaLevel::kAvx512Bf16;
  const bool amx = (saved & kTiles) == kTiles && bit(leaf7.edx, 24) && bit(leaf7.edx, 22) &&
                   tile_permission();  // AMX-TILE, AMX-BF16
  if (amx) level = IsaLevel::kAmx;
  return true;
}

const char* name_of(IsaLevel level) {
  switch (level) {
    case IsaLevel::kAvx2:
      return "avx2";
    case IsaLevel::kAvx512:
      return "avx512";
    case IsaLevel::kAvx512Bf16:
      return "avx512_bf16";
    case IsaLevel::kAmx:
      return "amx";
  }
  return "?";
}

bool isa_from_name(const char* name, IsaLevel& level) {
  for (IsaLevel l : {IsaLevel::kAvx2, IsaLevel::kAvx512, IsaLevel::kAvx512Bf16, IsaLevel::kAmx}) {
    if (std::strcmp(name, name_of(l)) == 0) {
      level = l;
      return true;
    }
  }
  return false;
}

bool is_amd() {
  const Registers r = cpuid(0, 0);
  char vendor[12];
  std::memcpy(vendor, &r.ebx, 4);
  std::memcpy(vendor + 4, &r.edx, 4);
  std::memcpy(vendor + 8, &r.ecx, 4);
  return std::memcmp(vendor, "AuthenticAMD", 12) == 0;
}

const KernelTable& kernel_table(IsaLevel level) {
  switch (level) {
    case IsaLevel::kAvx2:
      return avx2::table();
    case IsaLevel::kAvx512:
      return avx512::table();
    case IsaLevel::kAvx512Bf16:
      return avx512_bf16::table();
    case IsaLevel::kAmx:
      return amx::table();
  }
  return avx2::table();
}

}  // namespace dedit::kernels

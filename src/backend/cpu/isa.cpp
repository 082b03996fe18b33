#include "backend/cpu/isa.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "backend/backend.h"
#include "backend/cpu/onednn.h"
#include "core/str.h"

#include "dedit/error.h"

namespace dedit::cpu {
namespace {

kernels::IsaLevel best_of_machine() {
  kernels::IsaLevel best{};
  if (!kernels::best_isa(best)) {
    throw Error(ErrorKind::kOther, "this CPU lacks AVX2, FMA or F16C, which dedit needs",
                "use a processor of 2013 (Intel Haswell, AMD Excavator) or later");
  }
  return best;
}

}  // namespace

kernels::IsaLevel isa_of_environment() {
  const kernels::IsaLevel best = best_of_machine();
  const char* name = std::getenv("DEDIT_MAX_ISA");
  if (!name || !*name) return best;
  kernels::IsaLevel cap{};
  if (!kernels::isa_from_name(name, cap)) {
    throw Error(ErrorKind::kUsage, str("DEDIT_MAX_ISA=", name, " is not an instruction set"),
                "use avx2, avx512, avx512_bf16 or amx");
  }
  return std::min(cap, best);
}

kernels::IsaLevel chosen_isa() {
  static const kernels::IsaLevel level = [] {
    const kernels::IsaLevel l = isa_of_environment();
    if (l < best_of_machine()) cap_onednn(l);
    return l;
  }();
  return level;
}

}  // namespace dedit::cpu

namespace dedit {

DType cpu_auto_dtype(std::string& why) {
  const kernels::IsaLevel level = cpu::chosen_isa();
  if (level == kernels::IsaLevel::kAmx) {
    why = "bf16: this CPU has AMX, whose bf16 products are many times faster than f32";
    return DType::kBF16;
  }
  if (level == kernels::IsaLevel::kAvx512Bf16 && kernels::is_amd()) {
    why = "bf16: the AVX512-BF16 dot product of this CPU is twice as fast as f32";
    return DType::kBF16;
  }
  why = level == kernels::IsaLevel::kAvx512Bf16
            ? "f32: without AMX the bf16 dot product of this CPU is slower than f32"
            : str("f32: ", kernels::name_of(level), " has no bf16 products");
  return DType::kF32;
}

}  // namespace dedit

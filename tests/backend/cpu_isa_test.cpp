// Instruction-set names, the automatic type, and the backend's memory.
#include <cstdint>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/memory.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using kernels::IsaLevel;

TEST(CpuIsa, NamesGoBothWays) {
  for (IsaLevel l : {IsaLevel::kAvx2, IsaLevel::kAvx512, IsaLevel::kAvx512Bf16, IsaLevel::kAmx}) {
    IsaLevel back{};
    EXPECT_TRUE(kernels::isa_from_name(kernels::name_of(l), back));
    EXPECT_EQ(back, l);
  }
  IsaLevel level{};
  EXPECT_FALSE(kernels::isa_from_name("avx", level));
  EXPECT_FALSE(kernels::isa_from_name("", level));
}

TEST(CpuIsa, ChosenLevelIsAtMostTheBestAndNamesTheBackend) {
  IsaLevel best{};
  ASSERT_TRUE(kernels::best_isa(best));
  EXPECT_LE(cpu::chosen_isa(), best);
  EXPECT_EQ(make_cpu_backend()->description(),
            std::string("cpu ") + kernels::name_of(cpu::chosen_isa()));
}

TEST(CpuIsa, AutomaticTypeIsBf16OnlyWhereItIsFaster) {
  std::string why;
  const DType type = cpu_auto_dtype(why);
  const IsaLevel level = cpu::chosen_isa();
  const bool fast =
      level == IsaLevel::kAmx || (level == IsaLevel::kAvx512Bf16 && kernels::is_amd());
  EXPECT_EQ(type, fast ? DType::kBF16 : DType::kF32);
  EXPECT_EQ(why.substr(0, why.find(':')), name_of(type));
}

TEST(CpuIsa, UnknownCapIsAUsageError) {
  setenv("DEDIT_MAX_ISA", "sse9", 1);
  try {
    cpu::isa_of_environment();
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_STREQ(e.what(), "DEDIT_MAX_ISA=sse9 is not an instruction set");
    EXPECT_EQ(e.hint(), "use avx2, avx512, avx512_bf16 or amx");
  }
  unsetenv("DEDIT_MAX_ISA");
}

TEST(HostMemory, IsAlignedAndSaysWhenThereIsNone) {
  cpu::HostMemory memory;
  void* p = memory.allocate(3);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
  memory.deallocate(p, 3);
  for (size_t bytes : {size_t(1) << 62, SIZE_MAX, SIZE_MAX - 10}) {
    try {
      memory.allocate(bytes);
      FAIL() << bytes;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kMemory);
    }
  }
}

TEST(ScratchPool, GivesABlockBackToTheNextCall) {
  cpu::ScratchPool pool;
  const std::byte* first = nullptr;
  {
    const cpu::ScratchPool::Lease lease(pool, 1000);
    first = lease.data();
  }
  const cpu::ScratchPool::Lease again(pool, 900);
  EXPECT_EQ(again.data(), first);
  const cpu::ScratchPool::Lease other(pool, 900);
  EXPECT_NE(other.data(), first);
}

}  // namespace
}  // namespace dedit

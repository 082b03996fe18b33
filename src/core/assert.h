// DEDIT_ASSERT: our own invariants, on in every build type but Release. User input is never
// checked with it; that throws Error.
#pragma once

namespace dedit {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
}

#if defined(NDEBUG)
#define DEDIT_ASSERT(condition) static_cast<void>(0)
#else
#define DEDIT_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::dedit::assertion_failed(#condition, __FILE__, __LINE__))
#endif

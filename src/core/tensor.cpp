#include "core/tensor.h"

#include <cstdio>
#include <cstdlib>

namespace dedit {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "dedit: internal error at %s:%d: %s does not hold\n", file, line, condition);
  std::abort();
}

std::string Shape::str() const {
  std::string s = "[";
  for (int i = 0; i < rank_; ++i) s += (i ? ", " : "") + std::to_string(dims_[size_t(i)]);
  return s + "]";
}

}  // namespace dedit

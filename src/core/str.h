// str(...): joins values into a string (std::format is not in every compiler we support).
#pragma once

#include <sstream>
#include <string>

namespace dedit {

template <class... T>
std::string str(const T&... parts) {
  std::ostringstream s;
  (s << ... << parts);
  return s.str();
}

}  // namespace dedit

#include "core/json_file.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>

#include <nlohmann/json.hpp>

#include "core/str.h"

#include "dedit/error.h"

namespace dedit {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;

std::string read_all(std::istream& stream, const std::string& name) {
  std::string text;
  char block[1 << 16];
  while (stream.read(block, sizeof block), stream.gcount() > 0) {
    text.append(block, size_t(stream.gcount()));
    if (text.size() > kMaxBytes) {
      throw Error(ErrorKind::kInput, str(name, ": is over the limit of ", kMaxBytes, " bytes"));
    }
  }
  return text;
}

std::string read_text(const std::string& path, const std::string& name) {
  if (path == "-") return read_all(std::cin, name);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorKind::kInput, str(name, ": cannot be opened"), "check the path");
  return read_all(file, name);
}

}  // namespace

nlohmann::json read_json_file(const std::string& path) {
  const std::string name = path == "-" ? "standard input" : path;
  return parse_json(read_text(path, name), name);
}

nlohmann::json parse_json(std::string_view text, const std::string& name) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const auto at = text.begin() + std::ptrdiff_t(std::min(error.byte, text.size()));
    throw Error(ErrorKind::kInput,
                str(name, ": is not JSON, line ", 1 + std::count(text.begin(), at, '\n')),
                "JSON has no NaN or infinity, no comments and no comma before a closing bracket");
  } catch (const nlohmann::json::exception&) {  // a number of 400 digits
    throw Error(ErrorKind::kInput, str(name, ": holds a number that no double can"));
  }
}

double json_coordinate(const nlohmann::json& value, const std::string& what) {
  constexpr double kMost = 1e6;
  const double v = value.is_number() ? value.get<double>() : NAN;
  if (!(std::abs(v) <= kMost)) {
    throw Error(ErrorKind::kInput, str(what, " is not a number within +-", kMost));
  }
  return v;
}

}  // namespace dedit

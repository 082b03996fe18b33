// ConfigReader: typed access to a component's config.json, with errors that name file and field.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/str.h"

#include "dedit/error.h"

namespace dedit {

class ConfigReader {
 public:
  /// `source` is the component's path, for messages. Throws Error(kModel) if it is no JSON object.
  ConfigReader(const std::string& json, std::string source) : source_(std::move(source)) {
    object_ = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
    if (!object_.is_object()) fail("is not a JSON object");
  }

  bool has(const char* field) const {
    const auto it = object_.find(field);
    return it != object_.end() && !it->is_null();
  }
  const nlohmann::json& raw(const char* field) const { return object_.at(field); }

  /// The field, or `otherwise` if it is absent or null.
  int integer(const char* field, int otherwise) const {
    return has(field) ? checked_int(object_[field], field) : otherwise;
  }
  double real(const char* field, double otherwise) const {
    if (!has(field)) return otherwise;
    if (!object_[field].is_number()) fail(str("field \"", field, "\" is not a number"));
    return object_[field].get<double>();
  }
  bool flag(const char* field, bool otherwise) const {
    if (!has(field)) return otherwise;
    if (!object_[field].is_boolean()) fail(str("field \"", field, "\" is not true or false"));
    return object_[field].get<bool>();
  }
  std::string text(const char* field, const std::string& otherwise) const {
    if (!has(field)) return otherwise;
    if (!object_[field].is_string()) fail(str("field \"", field, "\" is not a string"));
    return object_[field].get<std::string>();
  }
  /// A list of `count` integers; a single number stands for all. `otherwise` fills an absent field.
  std::vector<int> integers(const char* field, size_t count, int otherwise) const {
    if (!has(field)) return std::vector<int>(count, otherwise);
    const auto& value = object_[field];
    if (value.is_number()) return std::vector<int>(count, checked_int(value, field));
    std::vector<int> list;
    if (value.is_array()) {
      for (const auto& v : value) list.push_back(checked_int(v, field));
    }
    if (list.size() != count) fail(str("field \"", field, "\" should list ", count, " numbers"));
    return list;
  }
  /// A list of integers of any length up to 16, at least one; `otherwise` if absent.
  std::vector<int> integers(const char* field, std::vector<int> otherwise) const {
    if (!has(field)) return otherwise;
    const size_t count = object_[field].is_array() ? object_[field].size() : 1;
    if (count == 0 || count > 16) fail(str("field \"", field, "\" has ", count, " entries"));
    return integers(field, count, 0);
  }
  std::vector<std::string> texts(const char* field, std::vector<std::string> otherwise) const {
    if (!has(field)) return otherwise;
    std::vector<std::string> list;
    if (object_[field].is_array()) {
      for (const auto& v : object_[field]) {
        if (v.is_string()) list.push_back(v.get<std::string>());
      }
    }
    if (list.empty() || list.size() != object_[field].size()) {
      fail(str("field \"", field, "\" is not a list of names"));
    }
    return list;
  }

  /// Fields that change the network in ways we do not build: each must be absent, null, or equal to
  /// its plain value.
  void require_plain(const char* field, const nlohmann::json& plain) const {
    if (has(field) && object_[field] != plain) {
      fail(str("asks for ", field, " = ", object_[field].dump(), ", which is not supported"));
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kModel, str(source_, ": config.json ", what));
  }

 private:
  int checked_int(const nlohmann::json& value, const char* field) const {
    if (!value.is_number_integer() || value.get<int64_t>() < -1 ||
        value.get<int64_t>() > (1 << 24)) {
      fail(str("field \"", field, "\" is not a sensible whole number"));
    }
    return value.get<int>();
  }

  nlohmann::json object_;
  std::string source_;
};

}  // namespace dedit

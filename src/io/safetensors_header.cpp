#include "io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

#include <nlohmann/json.hpp>

#include "core/str.h"
#include "io/shown.h"

#include "dedit/error.h"

namespace dedit {
namespace {

using nlohmann::json;

constexpr const char* kFetchAgain = "the file is damaged: fetch or make it again";

struct StoredType {
  std::string_view name;
  int bits;
};
constexpr StoredType kTypes[] = {
    {"F64", 64},    {"F32", 32}, {"F16", 16},    {"BF16", 16},   {"I64", 64},
    {"I32", 32},    {"I16", 16}, {"I8", 8},      {"U64", 64},    {"U32", 32},
    {"U16", 16},    {"U8", 8},   {"BOOL", 8},    {"F8_E4M3", 8}, {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"C64", 64}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
};

[[noreturn]] void corrupt(const std::string& path, const std::string& what) {
  throw Error(ErrorKind::kModel, str(path, ": ", what), kFetchAgain);
}

/// The DOM, refusing what a DOM hides (a key twice) and what no header has (deep nesting).
json parse_json(std::string_view text, const std::string& path) {
  std::vector<std::set<std::string>> keys;
  size_t depth = 0;
  const auto check = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      if (++depth > 3) corrupt(path, "its header is nested deeper than a safetensors header");
      keys.emplace_back();
    } else if (event == json::parse_event_t::object_end ||
               event == json::parse_event_t::array_end) {
      --depth;
      keys.pop_back();
    } else if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second)
        corrupt(path, str("its header has ", in_quotes(key), " twice"));
    }
    return true;
  };
  try {
    json header = json::parse(text.begin(), text.end(), check);
    if (!header.is_object()) corrupt(path, "its header is not a JSON object");
    return header;
  } catch (const json::parse_error& e) {
    corrupt(path, str("its header is not valid JSON (at byte ", e.byte, ")"));
  } catch (const json::exception&) {
    corrupt(path, "its header is not valid JSON");
  }
}

std::map<std::string, std::string> parse_metadata(const json& value, const std::string& path) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object()) corrupt(path, "__metadata__ in its header is not a JSON object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) corrupt(path, str("metadata ", in_quotes(key), " is not a string"));
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

/// Non-negative integers that fit int64_t.
std::vector<int64_t> parse_integers(const json& object, const char* field, const std::string& where,
                                    const std::string& path) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_array()) {
    corrupt(path, str(where, " has no list '", field, "'"));
  }
  std::vector<int64_t> values;
  for (const json& value : *found) {
    const bool fits = value.is_number_unsigned() &&
                      value.get<uint64_t>() <= uint64_t(std::numeric_limits<int64_t>::max());
    if (!fits) {
      corrupt(path, str(where, " has ", shown(value.dump()), " in '", field,
                        "', which is not a non-negative integer"));
    }
    values.push_back(value.get<int64_t>());
  }
  return values;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// Bytes of a tensor; -1 if they are not whole or overflow.
int64_t bytes_of(const std::vector<int64_t>& shape, int bits) {
  int64_t n = bits;
  for (const int64_t d : shape) {
    if (__builtin_mul_overflow(n, d, &n)) return -1;
  }
  return n % 8 == 0 ? n / 8 : -1;
}

SafetensorsEntry parse_entry(const std::string& name, const json& value, const std::string& path) {
  const std::string where = str("tensor ", in_quotes(name));
  if (!value.is_object()) corrupt(path, str(where, " is not described by a JSON object"));
  SafetensorsEntry entry;
  entry.name = name;
  const auto dtype = value.find("dtype");
  if (dtype == value.end() || !dtype->is_string()) corrupt(path, str(where, " has no 'dtype'"));
  entry.dtype = dtype->get<std::string>();
  const auto* type = std::ranges::find(kTypes, entry.dtype, &StoredType::name);
  if (type == std::end(kTypes))
    corrupt(path, str(where, " has unknown type ", in_quotes(entry.dtype)));

  entry.shape = parse_integers(value, "shape", where, path);
  const int64_t bytes = bytes_of(entry.shape, type->bits);
  const std::string described =
      str(where, " of type ", entry.dtype, " and shape ", shown(shape_text(entry.shape)));
  if (bytes < 0) corrupt(path, str(described, " has no possible size"));

  const std::vector<int64_t> offsets = parse_integers(value, "data_offsets", where, path);
  if (offsets.size() != 2) corrupt(path, str(where, " has ", offsets.size(), " offsets, not 2"));
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin > entry.end) {
    corrupt(path, str(where, " ends at byte ", entry.end, ", before its start ", entry.begin));
  }
  if (entry.end - entry.begin != bytes) {
    corrupt(path,
            str(described, " needs ", bytes, " bytes, its offsets give ", entry.end - entry.begin));
  }
  return entry;
}

/// Sorts by offset; the format allows neither gaps nor overlaps.
void check_layout(std::vector<SafetensorsEntry>& entries, int64_t data_start, int64_t data_bytes,
                  const std::string& path) {
  std::ranges::sort(entries, {}, [](const SafetensorsEntry& e) {
    return std::tuple(e.begin, e.end, std::string_view(e.name));
  });
  int64_t end = 0;
  std::string before = "the header";
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin < end) {
      corrupt(path, str("the data of ", before, " and ", in_quotes(entry.name), " overlap"));
    }
    if (entry.begin > end) {
      corrupt(path, str(entry.begin - end, " bytes between ", before, " and ",
                        in_quotes(entry.name), " belong to no tensor"));
    }
    end = entry.end;
    before = in_quotes(entry.name);
  }
  if (end == data_bytes) return;
  if (end < data_bytes) corrupt(path, str(data_bytes - end, " bytes follow its last tensor"));
  const auto cut = std::ranges::find_if(entries, [&](const auto& e) { return e.end > data_bytes; });
  throw Error(ErrorKind::kModel, str(path, ": the file ends inside tensor ", in_quotes(cut->name)),
              str("the download is incomplete: expected ", data_start + end, " bytes, found ",
                  data_start + data_bytes, "; fetch it again"));
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, int64_t data_start,
                                           int64_t data_bytes, const std::string& path) {
  const json object = parse_json(text, path);
  SafetensorsHeader header;
  for (const auto& [name, value] : object.items()) {
    if (name == "__metadata__") {
      header.metadata = parse_metadata(value, path);
    } else {
      header.entries.push_back(parse_entry(name, value, path));
    }
  }
  check_layout(header.entries, data_start, data_bytes, path);
  return header;
}

}  // namespace dedit

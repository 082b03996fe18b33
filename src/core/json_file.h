// JSON that users write: poses, strokes, masks as run lengths.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace dedit {

/// The whole of a file (`-` is standard input) as JSON. Throws Error(kInput) if it is missing, over
/// 256 MiB, or not JSON, with the line of the first mistake.
nlohmann::json read_json_file(const std::string& path);

/// The same of a text; `name` stands in messages.
nlohmann::json parse_json(std::string_view text, const std::string& name);

/// A number of it. Throws Error(kInput), naming `what`, unless it is one within +-1e6: no picture
/// has coordinates beyond, and casts of larger ones would not fit an int.
double json_coordinate(const nlohmann::json& value, const std::string& what);

}  // namespace dedit

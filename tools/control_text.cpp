#include "control_text.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "dedit/error.h"
#include "dedit/info.h"

namespace dedit::cli {
namespace {

constexpr double kMostFactor = 100;

const std::vector<std::pair<std::string, ControlMode>> kModes = {
    {"balanced", ControlMode::kBalanced}, {"prompt", ControlMode::kPrompt},
    {"control", ControlMode::kControl},   {"unbalanced", ControlMode::kUnbalanced},
    {"guess", ControlMode::kGuess},
};

const std::vector<std::pair<std::string, Fit>> kFits = {
    {"exact", Fit::kExact},
    {"stretch", Fit::kStretch},
    {"crop", Fit::kCrop},
    {"fill", Fit::kFill},
};

std::string list_of(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  return list;
}

/// The value of the row named `word`.
template <class T>
T choose(const std::string& option, const std::string& word,
         const std::vector<std::pair<std::string, T>>& rows) {
  std::vector<std::string> names;
  for (const auto& [name, value] : rows) {
    if (name == word) return value;
    names.push_back(name);
  }
  const std::string meant = nearest(word, names);
  throw Error(ErrorKind::kUsage, option + " '" + word + "' is none of " + list_of(names),
              meant.empty() ? "" : "did you mean " + meant);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && separator == ',' && i + 1 < text.size() && text[i + 1] == ',') {
      parts.back() += text[++i];
    } else if (text[i] == separator) {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

double real_of(const CLI::App& app, const std::string& field, const std::string& text, double min,
               double max) {
  const std::string name = "--control " + field;
  const double value = parse_real(app, name, text);
  check_range(app, name, value, min, max);
  return value;
}

std::vector<CurvePoint> curve_of(const CLI::App& app, const std::string& text) {
  std::vector<CurvePoint> curve;
  for (const std::string& point : split(text, '/')) {
    const size_t at = point.find(':');
    if (at == std::string::npos) {
      fail_usage(app,
                 "--control curve '" + text + "' does not have the form PLACE:FACTOR/PLACE:FACTOR");
    }
    const double place = real_of(app, "curve", point.substr(0, at), 0, 1);
    const double factor = real_of(app, "curve", point.substr(at + 1), -kMostFactor, kMostFactor);
    if (!curve.empty() && place <= curve.back().place) {
      fail_usage(app, "--control curve '" + text + "' has places that do not increase");
    }
    curve.push_back({place, factor});
  }
  return curve;
}

std::vector<double> layers_of(const CLI::App& app, const std::string& text) {
  std::vector<double> layers;
  for (const std::string& weight : split(text, '/')) {
    layers.push_back(real_of(app, "layers", weight, -kMostFactor, kMostFactor));
  }
  return layers;
}

using Set = std::function<void(const CLI::App&, ControlText&, const std::string&)>;

Set text_to(std::string ControlText::*member) {
  return [member](const CLI::App&, ControlText& c, const std::string& value) { c.*member = value; };
}

Set real_to(const char* field, double ControlUnit::*member, double min, double max) {
  return [=](const CLI::App& app, ControlText& c, const std::string& value) {
    c.unit.*member = real_of(app, field, value, min, max);
  };
}

/// In the order of the help.
const std::vector<std::pair<std::string, Set>>& fields() {
  static const std::vector<std::pair<std::string, Set>> rows = {
      {"kind", text_to(&ControlText::kind)},
      {"model", text_to(&ControlText::model)},
      {"map", text_to(&ControlText::map)},
      {"image", text_to(&ControlText::image)},
      {"scale", real_to("scale", &ControlUnit::scale, -kMostFactor, kMostFactor)},
      {"start", real_to("start", &ControlUnit::start, 0, 1)},
      {"end", real_to("end", &ControlUnit::end, 0, 1)},
      {"mask", text_to(&ControlText::mask)},
      {"mode",
       [](const CLI::App&, ControlText& c, const std::string& value) {
         c.unit.mode = choose("--control mode", value, kModes);
       }},
      {"curve", [](const CLI::App& app, ControlText& c,
                   const std::string& value) { c.unit.curve = curve_of(app, value); }},
      {"layers", [](const CLI::App& app, ControlText& c,
                    const std::string& value) { c.unit.layers = layers_of(app, value); }},
      {"fit", [](const CLI::App&, ControlText& c,
                 const std::string& value) { c.unit.fit = fit_of("--control fit", value); }},
  };
  return rows;
}

std::vector<std::string> field_names() {
  std::vector<std::string> names;
  for (const auto& [name, set] : fields()) names.push_back(name);
  return names;
}

std::optional<AnnotatorInfo> annotator_of(const std::string& kind) {
  for (const AnnotatorInfo& info : dedit::annotators()) {
    const auto& others = info.aliases;
    if (info.name == kind || std::find(others.begin(), others.end(), kind) != others.end()) {
      return info;
    }
  }
  return {};
}

double number_of(const CLI::App& app, const Param& param, const std::string& value) {
  const std::string name(param.name);
  if (param.kind != ParamKind::kChoice) {
    const bool is_flag = param.kind == ParamKind::kFlag;
    return real_of(app, name, value, is_flag ? 0 : param.min, is_flag ? 1 : param.max);
  }
  std::vector<std::pair<std::string, double>> rows;
  for (const std::string_view choice : param.choices) {
    rows.emplace_back(std::string(choice), double(rows.size()));
  }
  return choose("--control " + name, value, rows);
}

/// A parameter of the annotator. Whether there is one of that name.
bool set_param(const CLI::App& app, ControlText& c, const std::string& name,
               const std::string& value) {
  const std::optional<AnnotatorInfo> info = annotator_of(c.kind);
  if (!info) return false;
  for (const Param& param : info->params) {
    if (param.name != name) continue;
    if (param.kind == ParamKind::kFile) {
      c.params.files[name] = value;
    } else {
      c.params.numbers[name] = number_of(app, param, value);
    }
    return true;
  }
  return false;
}

[[noreturn]] void fail_unknown_field(const ControlText& c, const std::string& name) {
  std::vector<std::string> names = field_names();
  if (const auto info = annotator_of(c.kind)) {
    for (const Param& param : info->params) names.emplace_back(param.name);
  }
  const std::string meant = nearest(name, names);
  throw Error(ErrorKind::kUsage, "--control has no field '" + name + "'",
              (meant.empty() ? "" : "did you mean " + meant + "; ") + "fields: " + list_of(names));
}

void check(const CLI::App& app, const ControlText& c) {
  const ControlUnit& unit = c.unit;
  if (unit.start >= unit.end) {
    fail_usage(app, "--control start " + number_text(unit.start) + " is not before its end " +
                        number_text(unit.end));
  }
  if (!c.map.empty() && !c.image.empty()) {
    fail_usage(app, "--control has a finished map and an image to make one of");
  }
  const bool has_params = !c.params.numbers.empty() || !c.params.files.empty();
  if (!c.map.empty() && has_params) {
    fail_usage(app, "--control has a finished map and parameters of " + c.kind);
  }
  if (c.kind.empty() && !c.image.empty()) {
    fail_usage(app, "--control has an image but no kind of map to make of it");
  }
}

}  // namespace

std::vector<std::string> ControlText::inputs() const {
  std::vector<std::string> all = {map, image, mask};
  for (const auto& [name, path] : params.files) all.push_back(path);
  return all;
}

bool ControlText::takes_map_of(std::string_view made_kind) const {
  if (!map.empty() || !image.empty()) return false;
  const bool has_params = !params.numbers.empty() || !params.files.empty();
  return kind.empty() || (kind == made_kind && !has_params);
}

ControlText parse_control(const CLI::App& app, const std::string& text) {
  std::vector<std::pair<std::string, std::string>> given;
  ControlText c;
  for (const std::string& item : split(text, ',')) {
    const size_t at = item.find('=');
    if (at == 0 || at == std::string::npos || at + 1 == item.size()) {
      fail_usage(app, "--control '" + item + "' does not have the form NAME=VALUE");
    }
    given.emplace_back(item.substr(0, at), item.substr(at + 1));
    if (given.back().first == "kind") c.kind = given.back().second;  // others may be its parameters
  }
  for (size_t i = 0; i < given.size(); ++i) {
    const auto& [name, value] = given[i];
    const auto is_same = [&name = name](const auto& other) { return other.first == name; };
    if (std::any_of(given.begin(), given.begin() + std::ptrdiff_t(i), is_same)) {
      fail_usage(app, "--control has the field '" + name + "' more than once");
    }
    const auto row = std::find_if(fields().begin(), fields().end(), is_same);
    if (row != fields().end()) {
      row->second(app, c, value);
    } else if (!set_param(app, c, name, value)) {
      fail_unknown_field(c, name);
    }
  }
  check(app, c);
  return c;
}

Fit fit_of(const std::string& option, const std::string& word) {
  return choose(option, word, kFits);
}

std::string control_fields() {
  return list_of(field_names());
}

}  // namespace dedit::cli

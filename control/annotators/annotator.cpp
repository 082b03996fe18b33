#include "annotators/annotator.h"

#include <algorithm>
#include <cmath>

#include "core/str.h"

#include "dedit/error.h"

namespace dedit {
namespace {

const Param* find_param(std::span<const Param> params, std::string_view name) {
  const auto it = std::find_if(params.begin(), params.end(),
                               [name](const Param& row) { return row.name == name; });
  return it == params.end() ? nullptr : &*it;
}

std::string known_names(const Annotator& annotator) {
  if (annotator.params.empty()) return str(annotator.name, " takes no parameters");
  std::string names = str(annotator.name, " takes");
  for (const Param& row : annotator.params) names += str(" --", row.name);
  return names;
}

const Param& known_param(const Annotator& annotator, std::string_view name) {
  const Param* row = find_param(annotator.params, name);
  if (row == nullptr) {
    throw Error(ErrorKind::kUsage, str(annotator.name, ": there is no parameter --", name),
                known_names(annotator));
  }
  return *row;
}

void check_value(const Annotator& annotator, const Param& row, double value) {
  const bool is_choice = row.kind == ParamKind::kChoice;
  const bool is_flag = row.kind == ParamKind::kFlag;
  if (row.kind == ParamKind::kFile) {
    throw Error(ErrorKind::kUsage,
                str(annotator.name, ": --", row.name, " takes a file, not the number ", value));
  }
  const double low = is_choice || is_flag ? 0 : row.min;
  const double high = is_flag ? 1 : is_choice ? double(row.choices.size()) - 1 : row.max;
  if (!(value >= low && value <= high)) {  // NaN is outside too
    throw Error(ErrorKind::kUsage,
                str(annotator.name, ": --", row.name, " ", value, " is outside ", low, "..", high));
  }
  if (row.kind != ParamKind::kReal && value != std::floor(value)) {
    throw Error(ErrorKind::kUsage,
                str(annotator.name, ": --", row.name, " ", value, " is not a whole number"));
  }
}

}  // namespace

double AnnotatorArgs::get(std::span<const Param> params, std::string_view name) const {
  if (const auto it = values.find(name); it != values.end()) return it->second;
  const Param* row = find_param(params, name);
  if (row == nullptr) throw Error(ErrorKind::kOther, str("no parameter row is named ", name));
  return row->value;
}

std::string AnnotatorArgs::file(std::string_view name) const {
  const auto it = files.find(name);
  return it == files.end() ? std::string() : it->second;
}

const Annotator* find_annotator(std::string_view name) {
  for (const Annotator* annotator : all_annotators()) {
    const auto& aliases = annotator->aliases;
    if (annotator->name == name) return annotator;
    if (std::find(aliases.begin(), aliases.end(), name) != aliases.end()) return annotator;
  }
  return nullptr;
}

Annotation annotate(const Annotator& annotator, const Image& image, const AnnotatorArgs& args) {
  for (const auto& [name, value] : args.values) {
    check_value(annotator, known_param(annotator, name), value);
  }
  for (const auto& [name, path] : args.files) {
    if (known_param(annotator, name).kind != ParamKind::kFile) {
      throw Error(ErrorKind::kUsage,
                  str(annotator.name, ": --", name, " takes a number, not the file '", path, "'"));
    }
  }
  if (image.empty() && !annotator.is_picture_optional) {
    throw Error(ErrorKind::kUsage, str(annotator.name, ": the picture is empty"));
  }
  return annotator.run(image, args);
}

}  // namespace dedit

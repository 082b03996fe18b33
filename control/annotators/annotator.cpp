#include "annotators/annotator.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/rgb8.h"
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

/// Whether it finds lines in pictures. canny looks for finished maps itself, of either polarity;
/// threshold and binary are used on soft ones.
bool makes_lines(const Annotator& annotator) {
  constexpr std::string_view kOthers[] = {"canny", "threshold", "binary"};
  constexpr std::string_view kLines[] = {"canny", "scribble", "softedge", "lineart", "mlsd"};
  const std::string_view kind = annotator.control.empty() ? annotator.name : annotator.control;
  const auto has = [](const auto& list, std::string_view name) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
  };
  return has(kLines, kind) && !has(kOthers, annotator.name);
}

/// Grey only and mostly black, with something bright: what annotators of lines make. Colours end
/// the search at once.
bool looks_like_lines(const Image& image) {
  if (image.type != PixelType::kU8 || image.has_alpha()) return false;
  const size_t step = size_t(image.channels);
  size_t black = 0;
  bool has_bright = false;
  for (size_t i = 0; i < image.data.size(); i += step) {
    const std::byte v = image.data[i];
    if (step == 3 && (image.data[i + 1] != v || image.data[i + 2] != v)) return false;
    black += v == std::byte{0} ? 1 : 0;
    has_bright |= v >= std::byte{128};
  }
  return has_bright && black > image.data.size() / step / 2;
}

Annotation run_checked(const Annotator& annotator, const Image& image, const AnnotatorArgs& args) {
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
  Annotation made = annotator.run(image, args);
  if (makes_lines(annotator) && looks_like_lines(image)) {
    made.warnings.push_back(str(annotator.name,
                                ": the picture looks like a finished map, light lines on black; "
                                "use it as the hint itself"));
  }
  return made;
}

/// Without the picture's profile and text.
Image plain(Image map) {
  map.icc.clear();
  map.text.clear();
  return map;
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
  Annotation made = run_checked(annotator, image, args);
  if (made.is_picture) made.map = plain(to_rgb8(image));
  return made;
}

Annotation annotate(const Annotator& annotator, Image&& image, const AnnotatorArgs& args) {
  Annotation made = run_checked(annotator, image, args);
  if (made.is_picture) made.map = plain(to_rgb8(std::move(image)));
  return made;
}

}  // namespace dedit

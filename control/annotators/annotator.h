// Annotators: what makes a hint (control map) from a picture. One file each, OpenCV only; the
// registry is generated from this folder.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dedit/image.h"
#include "dedit/param.h"

namespace dedit {

/// Arguments of one call: numbers by parameter name, files (pose JSON, a second map, an ONNX net)
/// by parameter name, a seed for those that draw.
struct AnnotatorArgs {
  std::map<std::string, double, std::less<>> values;
  std::map<std::string, std::string, std::less<>> files;
  uint64_t seed = 0;

  /// The value given, else the row's default.
  double get(std::span<const Param> params, std::string_view name) const;
};

/// A hint and what its maker has to say about it.
struct Annotation {
  Image map;                          ///< 8-bit RGB, the input's size
  std::vector<std::string> warnings;  ///< one sentence each
};

/// A row of the registry.
struct Annotator {
  std::string_view name;
  std::string_view summary;
  std::string_view paper;
  std::span<const Param> params = {};
  Annotation (*run)(const Image&, const AnnotatorArgs&) = nullptr;
};

/// All annotators, sorted by name (generated).
std::span<const Annotator* const> all_annotators();
const Annotator* find_annotator(std::string_view name);

/// Runs after checking names and ranges of `args`. Throws Error(kUsage).
Annotation annotate(const Annotator&, const Image&, const AnnotatorArgs&);

}  // namespace dedit

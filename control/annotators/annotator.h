// Annotators: what makes a hint (control map) from a picture. One file each, OpenCV only; the
// registry is generated from this folder.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dedit/image.h"
#include "dedit/param.h"

namespace dedit {

/// The file parameter that names an annotator's network; other files say where things are in the
/// picture.
inline constexpr std::string_view kNetworkParam = "annotator-model";

/// Arguments of one call: numbers by parameter name (a seed is one of them), files (pose JSON, a
/// mask) by parameter name.
struct AnnotatorArgs {
  std::map<std::string, double, std::less<>> values;
  std::map<std::string, std::string, std::less<>> files;

  /// The value given, else the row's default.
  double get(std::span<const Param> params, std::string_view name) const;
  /// The file given, else "".
  std::string file(std::string_view name) const;
};

/// A hint and what its maker has to say about it.
struct Annotation {
  Image map = {};  ///< 8-bit RGB, the input's size; f32 RGB where a network wants values below 0
  /// The map is the picture itself in 8-bit RGB; annotate() puts it there without a copy if it may.
  bool is_picture = false;
  std::vector<std::string> warnings = {};          ///< one sentence each
  std::vector<std::string> notes = {};             ///< what was chosen, one sentence each
  std::map<std::string, std::string> hashes = {};  ///< SHA-256 of files that decide the map, by
                                                   ///< parameter name
};

/// A row of the registry. The row of file a_b.cpp is named a-b.
struct Annotator {
  std::string_view name;
  std::string_view summary;
  std::string_view paper;
  std::span<const Param> params = {};
  Annotation (*run)(const Image&, const AnnotatorArgs&) = nullptr;
  /// The kind of ControlNet that takes its maps, as in MODEL/controlnet-KIND; empty: its name.
  std::string_view control = {};
  /// Other names it goes by.
  std::span<const std::string_view> aliases = {};
  /// Whether it can do without a picture: `run` then gets an empty one.
  bool is_picture_optional = false;
};

/// All annotators, sorted by name (generated).
std::span<const Annotator* const> all_annotators();
/// By name or alias; null if there is none.
const Annotator* find_annotator(std::string_view name);

/// Runs after checking names and ranges of `args`. Throws Error(kUsage), or Error(kInput) for a
/// file that cannot be used.
Annotation annotate(const Annotator&, const Image&, const AnnotatorArgs&);
/// The same of a picture that nobody else needs: it may become the map.
Annotation annotate(const Annotator&, Image&&, const AnnotatorArgs&);

}  // namespace dedit

// One control in one word: --control kind=canny,map=edges.png,scale=0.8,mode=prompt,curve=0:1/1:0.
#pragma once

#include <string>
#include <vector>

#include "values.h"

#include "dedit/request.h"

namespace dedit::cli {

/// What --control says: settings, and files that are not read yet.
struct ControlText {
  ControlUnit unit;  ///< scale, window, mode, layers, curve, fit
  std::string kind;  ///< of map; an annotator's, or that of a ControlNet inside the model
  std::string model;
  std::string map, image;  ///< a finished map, or the picture that `kind` makes one of
  std::string mask;
  ParamValues params;  ///< the annotator's that were given

  /// Every file that is an input; empty names are of none.
  std::vector<std::string> inputs() const;
  /// Whether a map made by `dedit KIND` is this control's.
  bool takes_map_of(std::string_view made_kind) const;
};

/// Fields NAME=VALUE between commas; `\,` is a comma. Throws Error(kUsage) for unknown fields, with
/// the nearest one, and for values that are not theirs.
ControlText parse_control(const CLI::App& app, const std::string& text);

/// "exact" "stretch" "crop" "fill". Throws Error(kUsage) naming `option`.
Fit fit_of(const std::string& option, const std::string& word);

/// For the help.
std::string control_fields();

}  // namespace dedit::cli

// Self-description of schedulers, annotators and options: one row yields the command line option,
// its help, its range check and its JSON schema.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dedit {

enum class ParamKind { kReal, kInt, kFlag, kChoice, kFile };

/// One named parameter.
struct Param {
  std::string_view name;  ///< as on the command line, without dashes
  ParamKind kind = ParamKind::kReal;
  double value = 0;  ///< default (choice: index into `choices`)
  double min = 0;
  double max = 0;
  std::string_view help;
  std::span<const std::string_view> choices = {};
};

/// The candidate fewest edits away, or "" if none is close enough to be meant.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace dedit

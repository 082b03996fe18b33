// The controls of a job, from its options: the repeatable form and the paired lists.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "options.h"

#include "dedit/request.h"

namespace dedit::cli {

/// What can be refused before a file is read. Throws Error(kUsage).
void check_controls(const CLI::App& app, const ControlOptions& options);

/// Every file that the controls read.
std::vector<std::string> control_inputs(const CLI::App& app, const ControlOptions& options);

/// The controls given, the paired ones first. Those without a map of their own take `made`, if
/// there is one; they may lack a model too, and if none takes it `made` is the first. A control of
/// --control that names a kind and no map makes it of its image, else of the request's picture.
/// Throws Error(kUsage or kInput).
std::vector<ControlUnit> make_controls(const CLI::App& app, const JobOptions& job,
                                       const EditRequest& request,
                                       const std::optional<ControlUnit>& made = std::nullopt);

}  // namespace dedit::cli

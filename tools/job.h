// A job from options to files: early checks, the request, the run, the report.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "options.h"

#include "dedit/request.h"

namespace dedit::cli {

/// Everything that can be refused before a file is read: required and paired options, outputs.
/// `map` is where a map goes too, if anywhere. Throws Error(kUsage) or Error(kOutput). `app` is
/// named in hints.
void check_job(const CLI::App& app, const JobOptions& options, const std::string& map = "");

/// The request without its controls; reads image, mask and latents.
/// Throws Error(kInput), or Error(kUsage) if mask and image differ in size.
EditRequest make_request(const JobOptions& options);

/// The pictures worth keeping, by index.
using Review = std::function<std::vector<size_t>(const EditResult&)>;

/// Loads the model, runs, writes all outputs (with a review those that it keeps) and says so.
void run_job(const JobOptions& options, const EditRequest& request, const Review& review = {});

}  // namespace dedit::cli

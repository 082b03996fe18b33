// The options that say which scheduler runs, for jobs and for `dedit schedule`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "dedit/schedule.h"

namespace dedit::cli {

struct ScheduleOptions {
  int steps = 20;
  std::string spacing, sigmas, prediction;
  std::optional<double> eta;
  std::vector<std::string> settings;
  std::vector<double> timesteps, sigma_values;
};

/// All but --scheduler, whose number differs. `otherwise` says whose values count where none is
/// given.
void add_schedule_options(CLI::App& app, ScheduleOptions& options, const std::string& otherwise);

/// Throws Error(kUsage) for a setting that is not NAME=VALUE.
ScheduleRequest make_schedule_request(const ScheduleOptions& options, const std::string& scheduler);

}  // namespace dedit::cli

// What people read: messages through spdlog and the progress of a run, both on stderr only.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "dedit/error.h"
#include "dedit/model.h"

namespace dedit::cli {

struct LogOptions {
  bool quiet = false;
  bool verbose = false;
  std::string progress = "bar";  ///< none, bar, json
};

/// -q, -v; with_progress adds --progress. They take effect where the option is met.
void add_log_options(CLI::App& app, LogOptions& options, bool with_progress);

/// The logger: "dedit: MESSAGE" on stderr, coloured on a terminal unless NO_COLOR is set.
void start_log();

/// A warning once on stderr.
void warn(const std::string& message);

/// The same of what the user gave; with `is_strict` throws Error(kUsage) instead.
void warn_input(const std::vector<std::string>& messages, bool is_strict);

/// The error's sentence and its hint. Control characters of file names are shown as \xNN.
void report_error(const Error& error);

/// What each control did, one JSON object a line, as --progress json has them.
void show_controls(const EditReport& report);

/// Draws steps as a bar on a terminal, or writes one JSON object a line. The line of the bar is
/// cleared when the object goes.
class ProgressView {
 public:
  explicit ProgressView(const LogOptions& options);
  ~ProgressView();
  ProgressView(const ProgressView&) = delete;
  ProgressView& operator=(const ProgressView&) = delete;

  void show(const Progress& progress);

 private:
  bool is_json_ = false;
  bool is_bar_ = false;
  bool is_drawn_ = false;
};

}  // namespace dedit::cli

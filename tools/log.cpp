#include "log.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "values.h"

namespace dedit::cli {
namespace {

/// A file name may hold line feeds and escape sequences; a message is one line.
std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
      continue;
    }
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", unsigned{byte});
    out += escaped;
  }
  return out;
}

}  // namespace

void add_log_options(CLI::App& app, LogOptions& options, bool with_progress) {
  app.option_defaults()->group("Messages (all on stderr)");
  app.add_flag_function(
      "-q,--quiet",
      [&options](int64_t) {
        options.quiet = true;
        spdlog::set_level(spdlog::level::err);
      },
      "errors only");
  app.add_flag_function(
      "-v,--verbose",
      [&options](int64_t) {
        options.verbose = true;
        spdlog::set_level(spdlog::level::debug);
      },
      "also arithmetic, backend, schedule, mask coverage");
  if (with_progress) {
    add_choice(app, "--progress", options.progress, {"none", "bar", "json"},
               "a bar on a terminal, or one JSON object a line");
  }
}

void start_log() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool is_plain = no_color != nullptr && *no_color != '\0';
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
      is_plain ? spdlog::color_mode::never : spdlog::color_mode::automatic);
  auto logger = std::make_shared<spdlog::logger>("dedit", std::move(sink));
  logger->set_pattern("%^dedit:%$ %v");
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void warn(const std::string& message) {
  spdlog::warn("warning: {}", printable(message));
}

void warn_input(const std::vector<std::string>& messages, bool is_strict) {
  for (const std::string& message : messages) {
    if (is_strict) {
      throw Error(ErrorKind::kUsage, message, "drop --strict if it is meant");
    }
    warn(message);
  }
}

void report_error(const Error& error) {
  const std::string hint = error.hint().empty() ? "" : "\n  hint: " + printable(error.hint());
  spdlog::error("{}{}", printable(error.what()), hint);
}

void show_controls(const EditReport& report) {
  for (size_t k = 0; k < report.controls.size(); ++k) {
    const ControlReport& c = report.controls[k];
    const nlohmann::ordered_json event = {{"event", "control"},         {"control", k + 1},
                                          {"map", c.geometry.text()},   {"calls", c.n_calls},
                                          {"first_call", c.first_call}, {"last_call", c.last_call},
                                          {"of_calls", report.n_calls}, {"energy", c.energy}};
    std::fprintf(stderr, "%s\n", event.dump().c_str());
  }
}

ProgressView::ProgressView(const LogOptions& options)
    : is_json_(options.progress == "json"),
      is_bar_(options.progress == "bar" && !options.quiet && isatty(STDERR_FILENO) == 1) {}

ProgressView::~ProgressView() {
  if (is_drawn_) std::fputs("\r\x1b[K", stderr);
}

void ProgressView::show(const Progress& progress) {
  if (is_json_) {
    const nlohmann::ordered_json event = {{"event", "step"},
                                          {"step", progress.step},
                                          {"steps", progress.steps},
                                          {"sigma", progress.sigma},
                                          {"seconds", progress.seconds}};
    std::fprintf(stderr, "%s\n", event.dump().c_str());
  }
  if (!is_bar_ || progress.steps < 1) return;
  constexpr int kWidth = 30;
  const int n_done = std::clamp(progress.step * kWidth / progress.steps, 0, kWidth);
  const double left_s =
      progress.seconds / std::max(progress.step, 1) * (progress.steps - progress.step);
  const std::string bar =
      std::string(size_t(n_done), '#') + std::string(size_t(kWidth - n_done), '.');
  std::fprintf(stderr, "\r\x1b[K[%s] step %d of %d, %.1f s, %.1f s left", bar.c_str(),
               progress.step, progress.steps, progress.seconds, left_s);
  std::fflush(stderr);
  is_drawn_ = true;
}

}  // namespace dedit::cli

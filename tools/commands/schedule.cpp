#include "dedit/schedule.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "command.h"
#include "log.h"
#include "schedule_options.h"
#include "streams.h"
#include "values.h"

#include "dedit/error.h"

namespace dedit::commands {
namespace {

struct Options {
  std::vector<std::string> schedulers;
  std::string config;
  cli::ScheduleOptions schedule;
  bool json = false;
  int width = 1200, height = 900;
  cli::OutputOptions plot;
  // The run without a model.
  std::string denoiser, loop = "pipeline", latents, start = "noise", trace_json = "-";
  std::optional<double> strength;
  int start_index = 0;
  uint64_t seed = 0;
  cli::LogOptions log;
};

using Json = nlohmann::ordered_json;

ScheduleSource source_of(const Options& o) {
  if (o.config.empty()) return {};
  ScheduleSource source = load_schedule_source(o.config);
  source.as_pipeline = o.denoiser.empty();  // the class alone, as its constructor makes it
  return source;
}

/// numbers as JSON: whole ones without a point; null where not finite.
Json numbers(const std::vector<double>& values) {
  Json all = Json::array();
  for (double v : values) {
    if (v == std::floor(v) && std::abs(v) < 1e15) {
      all.push_back(int64_t(v));
    } else {
      all.push_back(v);
    }
  }
  return all;
}

Json table_json(const ScheduleTable& table) {
  return {{"label", table.label},
          {"init_noise_sigma", table.initial_scale},
          {"calls_per_step", table.calls_per_step},
          {"zero_db_timestep", table.zero_db_timestep},
          {"timesteps", numbers(table.timesteps)},
          {"sigmas", table.sigmas},
          {"alpha_bar", table.alpha_bar},
          {"snr_db", table.snr_db}};
}

std::string table_text(const ScheduleTable& table) {
  std::string text = table.label + "\n";
  char line[160];
  std::snprintf(line, sizeof line, "  %5s %12s %12s %12s %10s\n", "call", "timestep", "sigma",
                "alpha-bar", "SNR dB");
  text += line;
  for (size_t i = 0; i < table.timesteps.size(); ++i) {
    std::snprintf(line, sizeof line, "  %5zu %12.6g %12.6g %12.6g %10.3f\n", i + 1,
                  table.timesteps[i], table.sigmas[i], table.alpha_bar[i], table.snr_db[i]);
    text += line;
  }
  std::snprintf(
      line, sizeof line,
      "  start noise x %.6g; the training schedule crosses 0 dB at timestep %.1f of %zu\n",
      table.initial_scale, table.zero_db_timestep, table.training_alpha_bar.size());
  return text + line;
}

ToyRequest toy_request(const CLI::App& app, const Options& o) {
  if (o.latents.empty()) cli::fail_usage(app, "--latents FILE is missing");
  if (o.schedulers.size() > 1) cli::fail_usage(app, "--denoiser toy runs one --scheduler");
  if (o.strength && o.start_index != 0) {
    cli::fail_usage(app, "--strength and --start-index are both given");
  }
  ToyRequest request;
  request.schedule =
      cli::make_schedule_request(o.schedule, o.schedulers.empty() ? "" : o.schedulers[0]);
  request.source = source_of(o);
  request.noise = load_tensor(o.latents, "latents");
  request.start = o.start == "noise"    ? ToyStart::kNoise
                  : o.start == "noised" ? ToyStart::kNoised
                                        : ToyStart::kInit;
  if (request.start != ToyStart::kNoise) request.init = load_tensor(o.latents, "init_latents");
  request.scales_input = o.loop == "pipeline";
  request.strength = o.strength;
  request.start_index = o.start_index;
  request.seed = o.seed;
  return request;
}

void run_toy_denoiser(const CLI::App& app, const Options& o) {
  const ToyResult result = run_toy(toy_request(app, o));
  const Json answer = {{"timesteps", numbers(result.table.timesteps)},
                       {"sigmas", result.table.reference_sigmas},
                       {"init_noise_sigma", result.table.initial_scale},
                       {"latents", result.latents.values}};
  cli::print(answer.dump() + "\n");
}

void run(const CLI::App& app, const Options& o) {
  if (!o.denoiser.empty()) return run_toy_denoiser(app, o);
  if (!o.plot.path.empty()) cli::check_picture_output(o.plot);
  const ScheduleSource source = source_of(o);
  std::vector<ScheduleTable> tables;
  const std::vector<std::string> asked =
      o.schedulers.empty() ? std::vector<std::string>{""} : o.schedulers;
  for (const std::string& name : asked) {
    tables.push_back(schedule_table(cli::make_schedule_request(o.schedule, name), source));
    for (const std::string& warning : tables.back().warnings) cli::warn(warning);
  }
  if (!o.plot.path.empty()) {
    cli::write_picture(schedule_plot(tables, o.width, o.height), o.plot);
    if (o.plot.path == "-") return;
  }
  if (o.json) {
    Json all = Json::array();
    for (const ScheduleTable& table : tables) all.push_back(table_json(table));
    cli::print(all.dump(2) + "\n");
  } else {
    for (const ScheduleTable& table : tables) cli::print(table_text(table));
  }
}

void add_toy_options(CLI::App& app, Options& o) {
  app.option_defaults()->group("A whole run without a model");
  cli::add_choice(app, "--denoiser", o.denoiser, {"toy"}, "toy is x * t / (t + 1)");
  cli::add_choice(app, "--loop", o.loop, {"pipeline", "plain"}, "plain does not scale the input");
  cli::add_text(app, "--latents", o.latents, "FILE",
                "safetensors with `latents` (noise) and `init_latents`");
  cli::add_choice(app, "--start", o.start, {"noise", "noised", "init"},
                  "noise * init sigma; init_latents with noise added; init_latents as they are");
  cli::add_real(app, "--strength", o.strength, 0, 1, "share of the steps that run");
  cli::add_int(app, "--start-index", o.start_index, 0, 1000000, "steps left out at the start")
      ->default_str("0");
  cli::add_seed(app, "--seed", o.seed, "of the noise that the steps draw");
  cli::add_choice(app, "--trace-json", o.trace_json, {"-"},
                  "timesteps, sigmas, init_noise_sigma and latents, to standard output");
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("Schedule");
  cli::add_texts(app, "--scheduler", options->schedulers, "NAME",
                 "name or other tools' name (dpmpp_2m, \"DPM++ 2M Karras\"); repeatable");
  cli::add_text(app, "--scheduler-config", options->config, "FILE",
                "a diffusers scheduler_config.json, or a checkpoint folder");
  cli::add_schedule_options(app, options->schedule, "the config's");
  app.option_defaults()->group("Output");
  app.add_flag("--json", options->json, "the tables as JSON");
  cli::add_int(app, "--width", options->width, 320, 8192, "of the plot, pixels")
      ->default_str("1200");
  cli::add_int(app, "--height", options->height, 240, 8192, "of the plot, pixels")
      ->default_str("900");
  cli::add_output_options(app, options->plot,
                          "a plot of alpha-bar, SNR, sigmas and timesteps (PNG)");
  add_toy_options(app, *options);
  cli::add_log_options(app, options->log, /*with_progress=*/false);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command schedule;
const Command schedule = {
    .name = "schedule",
    .summary = "tables and plots of noise schedules; whole runs without a model",
    .group = CommandGroup::kLook,
    .add = add,
};

}  // namespace dedit::commands

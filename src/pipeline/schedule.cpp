// Tables of schedules, for `dedit schedule`.
#include "pipeline/schedule.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <utility>

#include "core/str.h"
#include "io/plot.h"
#include "pipeline/plan.h"
#include "schedulers/choice.h"
#include "schedulers/solver_options.h"

#include "dedit/error.h"

namespace dedit {
namespace {

double decibels(double alpha, double sigma) {
  return 20 * std::log10(alpha / sigma);
}

std::vector<double> training_curve(const ScheduleChoice& choice) {
  std::vector<double> curve;
  if (choice.scheduler->needs_flow) {
    const int n = choice.options.config.num_train_timesteps;
    for (int t = 0; t < n; ++t) {
      const double sigma = double(t + 1) / n, alpha = 1 - sigma;
      curve.push_back(alpha * alpha / (alpha * alpha + sigma * sigma));
    }
    return curve;
  }
  const NoiseSchedule schedule = training_schedule(*choice.scheduler, choice.options);
  curve.assign(schedule.alphas_cumprod().begin(), schedule.alphas_cumprod().end());
  return curve;
}

/// Where the curve, which falls, passes 1/2: linear between neighbours.
double half_crossing(const std::vector<double>& curve) {
  for (size_t t = 1; t < curve.size(); ++t) {
    if (curve[t] > 0.5) continue;
    return double(t) - (0.5 - curve[t]) / (curve[t - 1] - curve[t]);
  }
  return double(curve.size());
}

std::string label_of(const ScheduleChoice& choice) {
  const SolverOptions& o = choice.options;
  const Sigmas sigmas = resolve_sigmas(*choice.scheduler, o);
  std::string label(choice.scheduler->name);
  if (sigmas != Sigmas::kDefault) label += " " + name_of(sigmas);
  return str(label, ", ", o.steps, o.steps == 1 ? " step" : " steps");
}

}  // namespace

ScheduleTable tabulate(const ScheduleChoice& choice, const Solver& solver) {
  ScheduleTable table;
  table.label = label_of(choice);
  table.initial_scale = solver.initial_scale();
  table.calls_per_step = solver.calls_per_step();
  table.reference_sigmas = solver.sigmas();
  table.warnings = choice.warnings;
  for (int i = 0; i < int(solver.levels().size()); ++i) {
    const NoiseLevel& level = solver.levels()[size_t(i)];
    const double a2 = level.alpha * level.alpha, s2 = level.sigma * level.sigma;
    table.timesteps.push_back(level.timestep);
    table.alpha_bar.push_back(a2 / (a2 + s2));
    table.snr_db.push_back(decibels(level.alpha, level.sigma));
    table.sigmas.push_back(solver.is_flow() ? level.sigma : level.sigma / level.alpha);
  }
  table.training_alpha_bar = training_curve(choice);
  table.zero_db_timestep = half_crossing(table.training_alpha_bar);
  return table;
}

std::string scheduler_name(const std::string& name) {
  return std::string(scheduler_named(name).scheduler->name);
}

ScheduleSource load_schedule_source(const std::string& path) {
  constexpr size_t kMost = 1 << 24;  // a list of a million betas fits
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path file = path;
  for (const char* inside : {"scheduler/scheduler_config.json", "scheduler_config.json"}) {
    if (fs::is_directory(file, ignored) && fs::exists(file / inside, ignored)) file /= inside;
  }
  std::ifstream in;
  if (!fs::is_directory(file, ignored)) in.open(file, std::ios::binary);
  if (!in.is_open()) {
    throw Error(ErrorKind::kInput, "scheduler config '" + path + "' cannot be read",
                "name a scheduler_config.json or a checkpoint folder");
  }
  std::string text(kMost + 1, '\0');
  in.read(text.data(), std::streamsize(text.size()));
  text.resize(size_t(in.gcount()));
  if (text.size() > kMost) {
    throw Error(ErrorKind::kInput, "scheduler config '" + path + "' is over 16 MiB");
  }
  if (text.empty()) throw Error(ErrorKind::kInput, "scheduler config '" + path + "' is empty");
  return {.json = std::move(text), .name = path};
}

ScheduleTable schedule_table(const ScheduleRequest& request, const ScheduleSource& source) {
  const SchedulerConfig config = parse_scheduler_config(
      source.json, source.name, source.as_pipeline ? ConfigUse::kPipeline : ConfigUse::kScheduler);
  const ScheduleChoice choice = choose_schedule(request, config, /*strict=*/true);
  return tabulate(choice, *choice.scheduler->make(choice.options));
}

Image schedule_plot(const std::vector<ScheduleTable>& tables, int width, int height) {
  std::vector<Panel> panels = {
      {.title = "alpha-bar: share of signal", .x_label = "step", .curves = {}, .levels = {0.5}},
      {.title = "SNR, dB", .x_label = "step", .curves = {}, .levels = {0}},
      {.title = "sigma", .x_label = "step", .curves = {}, .levels = {}, .is_log = true},
      {.title = "timestep", .x_label = "step", .curves = {}, .levels = {}}};
  for (const ScheduleTable& table : tables) {
    Curve curve{.name = table.label, .x = {}, .y = {}};
    for (size_t i = 0; i < table.timesteps.size(); ++i) {
      curve.x.push_back(double(i) / table.calls_per_step);
    }
    const std::vector<double>* columns[] = {&table.alpha_bar, &table.snr_db, &table.sigmas,
                                            &table.timesteps};
    for (size_t k = 0; k < panels.size(); ++k) {
      curve.y = *columns[k];
      panels[k].curves.push_back(curve);
    }
  }
  return draw_panels(panels, width, height);
}

}  // namespace dedit

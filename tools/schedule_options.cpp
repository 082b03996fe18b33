#include "schedule_options.h"

#include "values.h"

#include "dedit/error.h"

namespace dedit::cli {

void add_schedule_options(CLI::App& app, ScheduleOptions& o, const std::string& otherwise) {
  const std::string tail = "; not given: " + otherwise;
  add_int(app, "--steps", o.steps, 1, 1000, "network calls from noise to picture")
      ->default_str("20");
  add_choice(app, "--spacing", o.spacing, {"leading", "linspace", "trailing"},
             "how the steps spread" + tail);
  add_choice(app, "--sigmas", o.sigmas, {"default", "karras", "exponential", "beta"},
             "noise levels" + tail);
  add_choice(app, "--prediction", o.prediction,
             {"epsilon", "v_prediction", "sample", "flow_prediction"},
             "what the network predicts" + tail);
  add_real(app, "--eta", o.eta, 0, 1, "share of fresh noise, of the schedulers that have it");
  add_texts(app, "--scheduler-option", o.settings, "NAME=VALUE",
            "a parameter of the scheduler or a field of scheduler_config.json; repeatable");
  add_value(app, "--timesteps", "T,T,...", "these timesteps, instead of --steps; descending",
            [&app, &o](const std::string& text) {
              o.timesteps = parse_reals(app, "--timesteps", text, 0, 1e6);
            });
  add_value(app, "--sigma-values", "S,S,...,0", "these sigmas, instead of --steps; descending",
            [&app, &o](const std::string& text) {
              o.sigma_values = parse_reals(app, "--sigma-values", text, 0, 1e6);
            });
}

ScheduleRequest make_schedule_request(const ScheduleOptions& o, const std::string& scheduler) {
  ScheduleRequest request{.scheduler = scheduler,
                          .steps = o.steps,
                          .spacing = o.spacing,
                          .sigmas = o.sigmas,
                          .prediction = o.prediction,
                          .settings = {},
                          .timesteps = o.timesteps,
                          .sigma_values = o.sigma_values};
  for (const std::string& setting : o.settings) {
    const size_t at = setting.find('=');
    if (at == 0 || at == setting.npos) {
      throw Error(ErrorKind::kUsage,
                  "--scheduler-option '" + setting + "' does not have the form NAME=VALUE",
                  "dedit schedulers --json lists the parameters");
    }
    request.settings[setting.substr(0, at)] = setting.substr(at + 1);
  }
  if (o.eta) request.settings["eta"] = number_text(*o.eta);
  return request;
}

}  // namespace dedit::cli

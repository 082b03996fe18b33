#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/info.h"

namespace dedit::commands {
namespace {

struct Options {
  bool json = false;
  cli::LogOptions log;
};

nlohmann::ordered_json param_json(const Param& param) {
  nlohmann::ordered_json row = {{"name", param.name}, {"help", param.help}};
  if (param.kind == ParamKind::kChoice) {
    row["choices"] = std::vector<std::string>(param.choices.begin(), param.choices.end());
    row["default"] = param.choices[size_t(param.value)];
  } else {
    row["default"] = param.value;
    row["min"] = param.min;
    row["max"] = param.max;
  }
  return row;
}

std::string as_json() {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const SchedulerInfo& info : dedit::schedulers()) {
    nlohmann::ordered_json params = nlohmann::ordered_json::array();
    for (const Param& param : info.params) params.push_back(param_json(param));
    rows.push_back({{"name", info.name},
                    {"summary", info.summary},
                    {"paper", info.paper},
                    {"diffusers_class", info.diffusers_class},
                    {"aliases", info.aliases},
                    {"order", info.order},
                    {"stochastic", info.stochastic},
                    {"params", params}});
  }
  return rows.dump(2) + "\n";
}

std::string default_text(const Param& param) {
  if (param.kind == ParamKind::kChoice) return std::string(param.choices[size_t(param.value)]);
  return param.kind == ParamKind::kFlag ? (param.value != 0 ? "true" : "false")
                                        : cli::number_text(param.value);
}

std::string as_text() {
  std::string text;
  for (const SchedulerInfo& info : dedit::schedulers()) {
    text += std::string(info.name) + ": " + std::string(info.summary) + "\n    order " +
            std::to_string(info.order) + (info.stochastic ? ", stochastic" : ", deterministic") +
            "; " + std::string(info.paper) + "\n";
    for (const Param& param : info.params) {
      text += "    " + std::string(param.name) + "=" + default_text(param) + "  " +
              std::string(param.help) + "\n";
    }
  }
  return text + "Parameters are set with --scheduler-option NAME=VALUE, eta with --eta too.\n";
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("What");
  app.add_flag("--json", options->json, "JSON, with aliases and the ranges of parameters");
  cli::add_log_options(app, options->log, /*with_progress=*/false);
  app.footer([] { return as_text(); });
  app.callback([options] { cli::print(options->json ? as_json() : as_text()); });
}

}  // namespace

extern const Command schedulers;
const Command schedulers = {
    .name = "schedulers",
    .summary = "list the values of --scheduler",
    .group = CommandGroup::kLook,
    .add = add,
};

}  // namespace dedit::commands

#include <algorithm>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "command.h"
#include "log.h"
#include "streams.h"

#include "dedit/info.h"

namespace dedit::commands {
namespace {

struct Options {
  bool json = false;
  cli::LogOptions log;
};

std::string as_json() {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const SchedulerInfo& info : dedit::schedulers()) {
    rows.push_back({{"name", info.name},
                    {"summary", info.summary},
                    {"paper", info.paper},
                    {"diffusers_class", info.diffusers_class}});
  }
  return rows.dump(2) + "\n";
}

std::string as_text() {
  size_t width = 0;
  for (const SchedulerInfo& info : dedit::schedulers()) width = std::max(width, info.name.size());
  std::string text;
  for (const SchedulerInfo& info : dedit::schedulers()) {
    text += std::string(info.name) + std::string(width + 2 - info.name.size(), ' ') +
            std::string(info.summary) + "\n";
  }
  return text;
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("What");
  app.add_flag("--json", options->json, "JSON with papers and the reference's class names");
  cli::add_log_options(app, options->log, /*with_progress=*/false);
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

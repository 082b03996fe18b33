#include <memory>
#include <string>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/info.h"

namespace dedit::commands {
namespace {

struct Options {
  std::string path;
  bool json = false;
  cli::LogOptions log;
};

void run(const CLI::App& app, const Options& options) {
  if (options.path.empty()) cli::fail_usage(app, "PATH is missing");
  cli::print(options.json ? dedit::inspect_json(options.path) : dedit::inspect_text(options.path));
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("What");
  cli::add_text(app, "path,--path", options->path, "PATH",
                "a picture made by dedit, a model folder or file");
  app.add_flag("--json", options->json, "JSON instead of text");
  cli::add_log_options(app, options->log, /*with_progress=*/false);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command inspect;
const Command inspect = {
    .name = "inspect",
    .summary = "show a picture's recipe or what a model holds",
    .group = CommandGroup::kLook,
    .add = add,
};

}  // namespace dedit::commands

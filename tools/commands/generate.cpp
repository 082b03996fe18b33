#include <memory>

#include "command.h"
#include "job.h"
#include "job_controls.h"
#include "values.h"

namespace dedit::commands {
namespace {

void run(const CLI::App& app, const cli::JobOptions& options) {
  cli::check_job(app, options);
  EditRequest request = cli::make_request(options);
  request.controls = cli::make_controls(app, options, request);
  cli::run_job(options, request);
}

void add(CLI::App& app) {
  auto options = std::make_shared<cli::JobOptions>();
  cli::add_job_options(app, *options, cli::JobInputs::kNone);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command generate;
const Command generate = {
    .name = "generate",
    .summary = "make a new picture from a prompt, with controls if given",
    .group = CommandGroup::kEdit,
    .add = add,
};

}  // namespace dedit::commands

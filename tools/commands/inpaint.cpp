#include <memory>

#include "command.h"
#include "job.h"
#include "job_controls.h"
#include "values.h"

namespace dedit::commands {
namespace {

void run(const CLI::App& app, const cli::JobOptions& options) {
  if (options.image.empty()) cli::fail_usage(app, "--image FILE is missing");
  if (options.mask.empty()) cli::fail_usage(app, "--mask FILE is missing");
  cli::check_job(app, options);
  EditRequest request = cli::make_request(options);
  request.controls = cli::make_controls(app, options, request);
  cli::run_job(options, request);
}

void add(CLI::App& app) {
  auto options = std::make_shared<cli::JobOptions>();
  cli::add_job_options(app, *options, cli::JobInputs::kImageAndMask);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command inpaint;
const Command inpaint = {
    .name = "inpaint",
    .summary = "repaint what a mask covers and keep the rest bit for bit",
    .group = CommandGroup::kEdit,
    .add = add,
};

}  // namespace dedit::commands

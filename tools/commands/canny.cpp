#include <map>
#include <memory>
#include <optional>
#include <string>

#include <spdlog/spdlog.h>

#include "command.h"
#include "job.h"
#include "values.h"

#include "dedit/info.h"

namespace dedit::commands {
namespace {

constexpr const char* kKind = "canny";

struct Options {
  cli::JobOptions job;
  std::map<std::string, double> params;  ///< the annotator's
  std::string save_map;
};

/// The control that the edges of `image` make.
ControlUnit make_edges(const Options& options, const Image& image) {
  AnnotateResult made = dedit::annotate(kKind, image, options.params);
  for (const std::string& warning : made.warnings) cli::warn(warning);
  ControlUnit unit;
  unit.hint = std::move(made.map);
  unit.annotator = kKind;
  unit.params = options.params;
  return unit;
}

void check(const CLI::App& app, const Options& options) {
  if (options.job.image.empty()) cli::fail_usage(app, "--image FILE is missing");
  cli::check_job(app, options.job, options.save_map);
  if (options.save_map == "-") cli::fail_usage(app, "--save-map takes a file, not -");
  if (options.save_map.empty()) return;
  cli::check_picture_output(
      {.path = options.save_map, .no_clobber = options.job.output.no_clobber});
}

void run(const CLI::App& app, const Options& options) {
  check(app, options);
  EditRequest request = cli::make_request(options.job);
  const ControlUnit edges = make_edges(options, request.image.value());
  request.controls = cli::make_controls(app, options.job.controls, edges);
  // Without strength or mask the picture gives its edges only.
  if (!request.mask && !options.job.strength) request.image.reset();
  if (!options.save_map.empty()) {
    cli::write_picture(edges.hint, {.path = options.save_map});
    spdlog::info("wrote {}: the edges", options.save_map);
  }
  cli::run_job(options.job, request);
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  cli::add_job_options(app, options->job, cli::JobInputs::kAny);
  app.option_defaults()->group("Edges");
  for (const AnnotatorInfo& info : dedit::annotators()) {
    if (info.name == kKind) cli::add_params(app, info.params, options->params);
  }
  cli::add_text(app, "--save-map", options->save_map, "FILE", "also write the map of edges");
  app.footer(
      "A new picture on the edges of --image; with --strength an img2img of it, with --mask an\n"
      "inpaint of it. Without --control-model the model's own canny ControlNet is used; a control\n"
      "without a --control-image takes the map of edges.");
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command canny;
const Command canny = {
    .name = "canny",
    .summary = "make a picture that keeps the edges of another",
    .group = CommandGroup::kEdit,
    .add = add,
};

}  // namespace dedit::commands

#include "map_edits.h"

#include <memory>
#include <string>

#include <spdlog/spdlog.h>

#include "job.h"
#include "log.h"
#include "values.h"

#include "dedit/info.h"

namespace dedit::cli {
namespace {

struct Options {
  AnnotatorInfo info;
  JobOptions job;
  ParamValues params;
  std::string save_map;
};

/// The control of the map that `image` makes.
ControlUnit make_unit(const Options& options, const Image& image) {
  const std::string kind(options.info.name);
  AnnotateResult made = dedit::annotate(kind, image, options.params.numbers, options.params.files);
  for (const std::string& warning : made.warnings) warn(warning);
  for (const std::string& note : made.notes) spdlog::info("{}", note);
  ControlUnit unit;
  unit.hint = std::move(made.map);
  unit.annotator = kind;
  unit.params = options.params.numbers;
  return unit;
}

/// A file parameter whose name an option of the job has (--mask) is that file.
void share_files(const CLI::App& app, Options& options) {
  for (const Param& param : options.info.params) {
    const std::string name(param.name);
    if (param.kind != ParamKind::kFile || options.params.files.contains(name)) continue;
    const CLI::Option* option = app.get_option_no_throw("--" + name);
    if (option == nullptr || option->empty()) continue;
    options.params.files[name] = option->results().front();
    if (options.params.files[name] == "-") {
      fail_usage(app, "--" + name + " is read twice here, so it cannot be standard input");
    }
  }
}

void check(const CLI::App& app, const Options& options) {
  const JobOptions& job = options.job;
  const bool needs_image = !options.info.is_picture_optional || !job.mask.empty() || job.strength;
  if (job.image.empty() && needs_image) fail_usage(app, "--image FILE is missing");
  check_job(app, job, options.save_map);
  std::vector<std::string> inputs = {job.image};
  for (const auto& [name, path] : options.params.files) inputs.push_back(path);
  check_one_stdin(inputs);
  if (options.save_map == "-") fail_usage(app, "--save-map takes a file, not -");
  if (options.save_map.empty()) return;
  check_picture_output({.path = options.save_map, .no_clobber = job.output.no_clobber});
}

void run(const CLI::App& app, Options& options) {
  share_files(app, options);
  check(app, options);
  EditRequest request = make_request(options.job);
  const ControlUnit unit = make_unit(options, request.image ? *request.image : Image());
  request.controls = make_controls(app, options.job.controls, unit);
  // Without strength or mask the picture gives its map only.
  if (!request.mask && !options.job.strength) request.image.reset();
  if (!options.save_map.empty()) {
    write_picture(unit.hint, {.path = options.save_map});
    spdlog::info("wrote {}: the {} map", options.save_map, options.info.name);
  }
  run_job(options.job, request);
}

void add_edit(CLI::App& root, const AnnotatorInfo& info) {
  const std::string name(info.name);
  CLI::App& app = *root.add_subcommand(name, std::string(info.summary));
  for (const std::string_view alias : info.aliases) app.alias(std::string(alias));
  auto options = std::make_shared<Options>();
  options->info = info;
  add_job_options(app, options->job, JobInputs::kAny);
  app.option_defaults()->group("Map (" + name + ")");
  add_params(app, info.params, options->params);
  add_text(app, "--save-map", options->save_map, "FILE", "also write the map");
  app.footer("A new picture under the " + name +
             " map of --image; with --strength an img2img of it, with --mask an\n"
             "inpaint of it. Without --control-model the model's own " +
             std::string(info.control) +
             " ControlNet is used; a control\nwithout a --control-image takes the map.");
  app.callback([&app, options] { run(app, *options); });
  app.group("Make a picture under a map of another (dedit annotate makes the map alone)");
}

}  // namespace

void add_map_edits(CLI::App& root) {
  for (const AnnotatorInfo& info : dedit::annotators()) {
    const auto is_same = [&](const CLI::App* command) { return command->get_name() == info.name; };
    if (root.get_subcommands(is_same).empty()) add_edit(root, info);
  }
}

}  // namespace dedit::cli

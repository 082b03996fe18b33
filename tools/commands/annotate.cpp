#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/info.h"

namespace dedit::commands {
namespace {

struct Options {
  AnnotatorInfo info;
  std::string image;
  cli::ParamValues params;
  cli::OutputOptions output;
  cli::LogOptions log;
};

void run(const CLI::App& app, const Options& options) {
  const bool has_image = !options.image.empty();
  if (!has_image && !options.info.is_picture_optional) cli::fail_usage(app, "IMAGE is missing");
  if (options.output.path.empty()) cli::fail_usage(app, "-o FILE is missing");
  cli::check_picture_output(options.output);
  std::vector<std::string> inputs = {options.image};
  for (const auto& [name, path] : options.params.files) inputs.push_back(path);
  cli::check_one_stdin(inputs);
  const std::string kind(options.info.name);
  Image image = has_image ? load_image(options.image) : Image();
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t work = std::clock();
  const AnnotateResult made =
      dedit::annotate(kind, std::move(image), options.params.numbers, options.params.files);
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - begin;
  spdlog::debug("map made in {:.1f} ms, {:.1f} ms of processor time", spent.count(),
                double(std::clock() - work) * 1000 / CLOCKS_PER_SEC);
  for (const std::string& warning : made.warnings) cli::warn(warning);
  for (const std::string& note : made.notes) spdlog::info("{}", note);
  cli::write_picture(made.map, options.output);
  spdlog::info("wrote {}: {}x{}, {} map",
               options.output.path == "-" ? "standard output" : options.output.path, made.map.width,
               made.map.height, kind);
}

void add_kind(CLI::App& parent, const AnnotatorInfo& info) {
  CLI::App& app = *parent.add_subcommand(std::string(info.name), std::string(info.summary));
  for (const std::string_view alias : info.aliases) app.alias(std::string(alias));
  app.group("Kinds of maps");
  auto options = std::make_shared<Options>();
  options->info = info;
  app.option_defaults()->group("Map");
  cli::add_text(app, "image,--image", options->image, "IMAGE", "the picture; - is standard input");
  cli::add_params(app, info.params, options->params);
  cli::add_output_options(app, options->output, "the map");
  cli::add_log_options(app, options->log, /*with_progress=*/false);
  if (!info.paper.empty()) app.footer("Source: " + std::string(info.paper));
  app.callback([&app, options] { run(app, *options); });
}

void add(CLI::App& app) {
  for (const AnnotatorInfo& info : dedit::annotators()) add_kind(app, info);
}

}  // namespace

extern const Command annotate;
const Command annotate = {
    .name = "annotate",
    .summary = "make a control map from a picture",
    .group = CommandGroup::kPrepare,
    .add = add,
};

}  // namespace dedit::commands

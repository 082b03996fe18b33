#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include <spdlog/spdlog.h>

#include "command.h"
#include "log.h"
#include "values.h"

#include "dedit/error.h"
#include "dedit/model.h"

namespace dedit::commands {
namespace {

struct Options {
  std::string model, folder;
  uint64_t seed = 0;
  cli::LogOptions log;
};

/// The folder must be new or empty, so that no model is mixed with another.
void check_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(folder, error)) return;
  const bool is_empty = fs::is_directory(folder, error) && fs::is_empty(folder, error);
  if (is_empty && !error) return;
  throw Error(ErrorKind::kOutput, "'" + folder + "' exists and is not an empty folder",
              "choose a new folder");
}

void run_init(const CLI::App& app, const Options& options) {
  if (options.folder.empty()) cli::fail_usage(app, "-o DIR is missing");
  check_folder(options.folder);
  dedit::init_control(options.model, options.folder, options.seed);
  spdlog::info("wrote {}: a new ControlNet, seed {}", options.folder, options.seed);
}

void add(CLI::App& app) {
  CLI::App& init =
      *app.add_subcommand("init", "copy a model's U-Net encoder as an untrained ControlNet");
  init.group("Actions");
  auto options = std::make_shared<Options>();
  init.option_defaults()->group("ControlNet");
  cli::add_text(init, "--model", options->model, "PATH",
                "the model; not given: $DEDIT_MODEL, then the model that ships");
  cli::add_text(init, "-o,--output", options->folder, "DIR", "a new folder in diffusers layout");
  cli::add_seed(init, "--seed", options->seed, "of the hint embedding's weights");
  cli::add_log_options(init, options->log, /*with_progress=*/false);
  init.callback([&init, options] { run_init(init, *options); });
}

}  // namespace

extern const Command control;
const Command control = {
    .name = "control",
    .summary = "make a ControlNet to train",
    .group = CommandGroup::kPrepare,
    .add = add,
};

}  // namespace dedit::commands

#include <memory>
#include <optional>
#include <string>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/info.h"

namespace dedit::commands {
namespace {

struct Options {
  std::optional<std::string> text;
  std::string prompt_syntax = "plain";
  TokensOptions tokens;
  bool json = false;
  cli::LogOptions log;
};

void run(const CLI::App& app, const Options& options) {
  if (!options.text) cli::fail_usage(app, "TEXT is missing");
  cli::print(options.json ? dedit::tokens_json(*options.text, options.tokens) + "\n"
                          : dedit::tokens_text(*options.text, options.tokens));
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("Prompt");
  cli::add_value(app, "text,--text", "TEXT", "the prompt; after -- it may begin with a dash",
                 [options = options.get()](const std::string& text) { options->text = text; });
  cli::add_choice(app, "--prompt-syntax", options->prompt_syntax, {"plain"},
                  "plain takes every character as text");
  app.add_flag("--truncate", options->tokens.truncate, "cut at 75 tokens instead of chunking");
  cli::add_text(app, "--model", options->tokens.model, "PATH",
                "whose tokenizer; not given: the common CLIP one");
  app.add_flag("--json", options->json, "one JSON object instead of a table");
  cli::add_log_options(app, options->log, /*with_progress=*/false);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command tokens;
const Command tokens = {
    .name = "tokens",
    .summary = "show how a prompt is cut into tokens",
    .group = CommandGroup::kLook,
    .add = add,
};

}  // namespace dedit::commands

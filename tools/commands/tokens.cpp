#include <memory>
#include <optional>
#include <string>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/info.h"
#include "dedit/tensor_value.h"

namespace dedit::commands {
namespace {

struct Options {
  std::optional<std::string> text;
  std::string prompt_file;
  std::string prompt_syntax = "plain";
  std::vector<std::string> embeddings;
  TokensOptions tokens;
  bool json = false;
  cli::LogOptions log;
};

void run(const CLI::App& app, const Options& options) {
  if (!options.text && options.prompt_file.empty()) cli::fail_usage(app, "TEXT is missing");
  if (options.text && !options.prompt_file.empty()) {
    cli::fail_usage(app, "TEXT and --prompt-file are both given");
  }
  TokensOptions tokens = options.tokens;
  tokens.syntax = cli::prompt_syntax_of(options.prompt_syntax);
  for (const std::string& text : options.embeddings) {
    const auto [name, file] = cli::parse_embedding(app, text);
    tokens.embeddings[name] = int(load_embedding(file).shape[0]);
  }
  const std::string prompt = options.text ? *options.text : cli::read_prompt(options.prompt_file);
  Warnings warnings;
  cli::print(options.json ? dedit::tokens_json(prompt, tokens, &warnings) + "\n"
                          : dedit::tokens_text(prompt, tokens, &warnings));
  for (const std::string& warning : warnings) cli::warn(warning);
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("Prompt");
  cli::add_value(app, "text,--text", "TEXT", "the prompt; after -- it may begin with a dash",
                 [options = options.get()](const std::string& text) { options->text = text; });
  cli::add_text(app, "--prompt-file", options->prompt_file, "FILE",
                "holds the prompt instead of TEXT; - is standard input");
  cli::add_prompt_syntax(app, options->prompt_syntax);
  cli::add_int(app, "--steps", options->tokens.steps, 1, 1000, "that schedules are laid over")
      ->default_str("20");
  cli::add_texts(app, "--embedding", options->embeddings, "NAME=FILE",
                 "learned vectors (safetensors) for the word NAME; repeatable");
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

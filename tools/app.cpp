#include "app.h"

#include <algorithm>
#include <sstream>

#include "command.h"
#include "map_edits.h"
#include "streams.h"
#include "values.h"

#include "dedit/error.h"
#include "dedit/info.h"

namespace dedit::cli {
namespace {

constexpr size_t kHelpColumn = 30;
constexpr size_t kHelpWidth = 68;  ///< of the descriptions beside it

/// Breaks at spaces; CLI11 indents the lines.
std::string wrap(const std::string& text) {
  std::istringstream words(text);
  std::string out, word;
  size_t length = 0;
  while (words >> word) {
    if (length > 0 && length + 1 + word.size() > kHelpWidth) {
      out += '\n';
      length = 0;
    } else if (length > 0) {
      out += ' ';
      ++length;
    }
    out += word;
    length += word.size();
  }
  return out;
}

/// Help without the doubled empty lines between groups.
std::string help_text(const CLI::App& app) {
  std::string text = app.help();
  while (text.ends_with("\n\n")) text.pop_back();
  for (size_t at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n")) {
    text.erase(at, 1);
  }
  return text;
}

/// Defaults stand at the end of a description; counts and repeats are left to the description.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_size() == 0 ? "" : " " + option->get_type_name();
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string value = option->get_default_str();
    return wrap(option->get_description() + (value.empty() ? "" : " [default: " + value + "]"));
  }
  std::string make_usage(const CLI::App* app, std::string /*name*/) const override {
    std::string line = "\nUsage: " + command_path(*app);
    if (!app->get_subcommands({}).empty()) line += " COMMAND";
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_positional()) line += " " + option->get_type_name();
    }
    return line + " [OPTIONS]\n";
  }
  std::string make_subcommand(const CLI::App* sub) const override {  // without its other names
    std::stringstream out;
    CLI::detail::format_help(out, sub->get_name(), wrap(sub->get_description()), kHelpColumn);
    return out.str();
  }
  std::string make_positionals(const CLI::App* /*app*/) const override { return ""; }
};

std::string heading(CommandGroup group) {
  switch (group) {
    case CommandGroup::kEdit:
      return "Make and edit pictures";
    case CommandGroup::kPrepare:
      return "Prepare maps, masks and models";
    case CommandGroup::kLook:
      return "Look inside";
  }
  return {};
}

/// The command the words chose, at its deepest.
const CLI::App& chosen(const CLI::App& app) {
  const std::vector<CLI::App*> next = app.get_subcommands();
  return next.empty() ? app : chosen(*next.back());
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

[[noreturn]] void fail_unknown(const CLI::App& app, const std::string& word) {
  const bool is_option = word.size() > 1 && word.front() == '-';
  const bool is_command = !is_option && !command_names(app).empty();
  const std::string name = word.substr(0, word.find('='));
  const std::string meant = is_option    ? nearest(name, option_names(app))
                            : is_command ? nearest(word, command_names(app))
                                         : "";
  const std::string kind = is_option    ? "unknown option " + name
                           : is_command ? "unknown command '" + word + "'"
                                        : "unexpected argument '" + word + "'";
  throw Error(ErrorKind::kUsage, kind + " for " + command_path(app),
              meant.empty() ? help_hint(app) : "did you mean " + meant + "; " + help_hint(app));
}

/// Runs before the command's own callback: nothing left over, and the last word of it was given.
void check_complete(const CLI::App& root) {
  for (const CLI::App* app = &root;;) {
    for (const std::string& word : app->remaining()) {
      if (word != "--") fail_unknown(*app, word);
    }
    const std::vector<CLI::App*> next = app->get_subcommands();
    if (next.empty()) break;
    app = next.back();
  }
  const CLI::App& app = chosen(root);
  const std::vector<std::string> names = command_names(app);
  if (names.empty() || &app == &root) return;
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  fail_usage(app, command_path(app) + " needs one of: " + list);
}

/// Every value of --scheduler and where it is from.
std::string scheduler_list() {
  std::string text = "Schedulers:";
  for (const SchedulerInfo& info : schedulers()) {
    std::string row = "  " + std::string(info.name);
    row.resize(kHelpColumn, ' ');
    for (const char c : wrap(std::string(info.paper))) {
      row += c;
      if (c == '\n') row += std::string(kHelpColumn, ' ');
    }
    text += "\n" + row;
  }
  return text + "\ndedit schedulers tells them apart and lists their parameters.";
}

/// Settings that every command of the tree shares.
void settle(CLI::App& app) {
  if (app.get_option_no_throw("--scheduler")) app.footer(scheduler_list);
  app.allow_extras();
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(kHelpColumn);
  app.set_help_flag("-h,--help", "print this help")->group("Help");
  if (!app.get_subcommands({}).empty()) app.require_subcommand(0, 1);
  for (CLI::App* command : app.get_subcommands({})) settle(*command);
}

/// CLI11 takes the next word as the value of `--name=`; two words say what is meant.
std::vector<std::string> split_empty_values(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  bool is_text = false;
  for (const std::string& word : words) {
    is_text = is_text || word == "--";
    if (!is_text && word.size() > 3 && word.starts_with("--") &&
        word.find('=') == word.size() - 1) {
      out.push_back(word.substr(0, word.size() - 1));
      out.emplace_back();
    } else {
      out.push_back(word);
    }
  }
  return out;
}

/// What CLI11 itself finds wrong, as one sentence of ours.
Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::string name = text.substr(0, text.find(':'));
  std::string message = text;
  if (text.find(" missing") != std::string::npos) message = name + " needs a value";
  if (text.find("but received") != std::string::npos) message = name + " is given more than once";
  return Error(ErrorKind::kUsage, message, help_hint(app));
}

}  // namespace

std::unique_ptr<CLI::App> make_app() {
  auto app = std::make_unique<CLI::App>(
      "dedit edits pictures whose structure must stay: edges, layout, all outside a mask.",
      "dedit");
  for (const CommandGroup group :
       {CommandGroup::kEdit, CommandGroup::kPrepare, CommandGroup::kLook}) {
    for (const Command* command : all_commands()) {
      if (command->group != group) continue;
      CLI::App* sub =
          app->add_subcommand(std::string(command->name), std::string(command->summary));
      command->add(*sub);
      sub->group(heading(group));
    }
  }
  add_map_edits(*app);
  app->set_version_flag("--version", version_text)->group("Help");
  app->get_option("--version")->description("print the version and how it was built");
  app->footer([] {
    return scheduler_list() +
           "\n\n"
           "dedit COMMAND --help shows a command's options; dedit help COMMAND does the same.\n"
           "Exit codes: 2 usage, 3 input, 4 model, 5 memory, 6 verification, 7 fidelity,\n"
           "8 not reproducible, 9 output, 130 and 143 interrupted, 1 anything else.";
  });
  settle(*app);
  app->parse_complete_callback([root = app.get()] { check_complete(*root); });
  return app;
}

void run_app(CLI::App& app, std::vector<std::string> words) {
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  if (words.empty()) words.emplace_back("--help");
  words = split_empty_values(words);
  std::reverse(words.begin(), words.end());
  try {
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    for (const std::string& word : chosen(app).remaining()) {
      if (word != "--") fail_unknown(chosen(app), word);
    }
    print(help_text(app));
  } catch (const CLI::CallForVersion&) {
    print(version_text());
  } catch (const CLI::ParseError& error) {
    throw usage_error(chosen(app), error);
  }
}

}  // namespace dedit::cli

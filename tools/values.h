// Options whose values are parsed strictly and refused in one sentence that names option, value and
// rule. CLI11 finds the options; the conversions are here because its own accept octal, hex and
// nan.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "dedit/param.h"
#include "dedit/prompt.h"

namespace dedit::cli {

/// "dedit mask box" for the subcommand `box` of `mask`.
std::string command_path(const CLI::App& app);

/// "see dedit mask box --help".
std::string help_hint(const CLI::App& app);

/// Throws Error(kUsage) with `message` and the command's help as the hint.
[[noreturn]] void fail_usage(const CLI::App& app, const std::string& message);

/// The whole of `text` as a finite decimal number. Throws Error(kUsage) naming `option`.
double parse_real(const CLI::App& app, const std::string& option, std::string_view text);
/// The whole of `text` as a decimal whole number.
int64_t parse_int(const CLI::App& app, const std::string& option, std::string_view text);
/// Throws Error(kUsage) unless min <= value <= max.
void check_range(const CLI::App& app, const std::string& option, double value, double min,
                 double max);
/// Numbers between commas, at least one, each within min..max.
std::vector<double> parse_reals(const CLI::App& app, const std::string& option,
                                std::string_view text, double min, double max);
/// `count` whole numbers between `separator`s, as in 640x480. `form` stands in the message.
std::vector<int> parse_ints(const CLI::App& app, const std::string& option, std::string_view text,
                            char separator, size_t count, std::string_view form);

/// An option whose text goes to `set`. `names` as CLI11 has them ("-o,--output").
CLI::Option* add_value(CLI::App& app, const std::string& names, const std::string& type,
                       const std::string& help, std::function<void(const std::string&)> set);

CLI::Option* add_text(CLI::App& app, const std::string& names, std::string& value,
                      const std::string& type, const std::string& help);
/// Given any number of times, one value each.
CLI::Option* add_texts(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                       const std::string& type, const std::string& help);
CLI::Option* add_reals(CLI::App& app, const std::string& name, std::vector<double>& values,
                       double min, double max, const std::string& help);
/// One of `choices`; the default shown is the value before parsing.
CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& value,
                        std::vector<std::string> choices, const std::string& help);
CLI::Option* add_seed(CLI::App& app, const std::string& name, uint64_t& value,
                      const std::string& help);
CLI::Option* add_int(CLI::App& app, const std::string& name, int& value, int min, int max,
                     const std::string& help);

/// T is double or std::optional<double>.
template <class T>
CLI::Option* add_real(CLI::App& app, const std::string& name, T& value, double min, double max,
                      const std::string& help) {
  return add_value(app, name, "NUMBER", help, [&app, &value, name, min, max](const std::string& s) {
    const double parsed = parse_real(app, name, s);
    check_range(app, name, parsed, min, max);
    value = parsed;
  });
}

/// --device.
CLI::Option* add_device(CLI::App& app, std::string& value);
/// --vae-tile.
CLI::Option* add_vae_tile(CLI::App& app, int& value);
/// --low-memory.
CLI::Option* add_low_memory(CLI::App& app, bool& value);
/// --prompt-syntax.
CLI::Option* add_prompt_syntax(CLI::App& app, std::string& value);
/// What --prompt-syntax says.
PromptSyntax prompt_syntax_of(const std::string& name);
/// NAME=FILE of --embedding. Throws Error(kUsage).
std::pair<std::string, std::string> parse_embedding(const CLI::App& app, const std::string& text);

/// Text of a number for messages and help.
std::string number_text(double value);

/// "1 step", "2 steps".
std::string count_text(size_t count, const std::string& noun);

/// Values of a table of parameters: every number, defaults included; the files that were given.
struct ParamValues {
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> files;
};

/// One option per row. Where `app` has an option of that name already, a number becomes --map-NAME,
/// and a file is left to that option.
void add_params(CLI::App& app, std::span<const Param> params, ParamValues& values);

}  // namespace dedit::cli

#include "values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include "dedit/error.h"

namespace dedit::cli {
namespace {

template <class T>
bool parse_all(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && !text.empty();
}

std::string join(std::span<const std::string> words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

bool is_taken(CLI::App& app, const std::string& option) {
  return app.get_option_no_throw(option) != nullptr;
}

CLI::Option* add_number(CLI::App& app, const Param& param, double& value) {
  const std::string plain = "--" + std::string(param.name);
  const std::string name = is_taken(app, plain) ? "--map-" + std::string(param.name) : plain;
  const std::string help(param.help);
  switch (param.kind) {
    case ParamKind::kReal:
      return add_real(app, name, value, param.min, param.max, help)
          ->default_str(number_text(param.value));
    case ParamKind::kInt:
      return add_value(app, name, "INT", help,
                       [&app, &value, name, &param](const std::string& text) {
                         value = double(parse_int(app, name, text));
                         check_range(app, name, value, param.min, param.max);
                       })
          ->default_str(number_text(param.value));
    case ParamKind::kFlag:
      return app.add_flag_function(
          name, [&value](int64_t count) { value = count > 0 ? 1 : 0; }, help);
    case ParamKind::kChoice: {
      const std::vector<std::string> choices(param.choices.begin(), param.choices.end());
      return add_value(app, name, "WORD", help + " (" + join(choices) + ")",
                       [&app, &value, name, choices](const std::string& text) {
                         const auto found = std::find(choices.begin(), choices.end(), text);
                         if (found == choices.end()) {
                           fail_usage(app, name + " '" + text + "' is none of " + join(choices));
                         }
                         value = double(found - choices.begin());
                       })
          ->default_str(choices.at(size_t(param.value)));
    }
    case ParamKind::kFile:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

std::string command_path(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : command_path(*parent) + " " + app.get_name();
}

std::string help_hint(const CLI::App& app) {
  return "see " + command_path(app) + " --help";
}

void fail_usage(const CLI::App& app, const std::string& message) {
  throw Error(ErrorKind::kUsage, message, help_hint(app));
}

double parse_real(const CLI::App& app, const std::string& option, std::string_view text) {
  double value = 0;
  if (!parse_all(text, value) || !std::isfinite(value)) {
    fail_usage(app, option + " '" + std::string(text) + "' is not a number");
  }
  return value;
}

int64_t parse_int(const CLI::App& app, const std::string& option, std::string_view text) {
  int64_t value = 0;
  if (!parse_all(text, value)) {
    fail_usage(app, option + " '" + std::string(text) + "' is not a whole number");
  }
  return value;
}

void check_range(const CLI::App& app, const std::string& option, double value, double min,
                 double max) {
  if (value >= min && value <= max) return;
  fail_usage(app, option + " " + number_text(value) + " is outside " + number_text(min) + ".." +
                      number_text(max));
}

std::vector<double> parse_reals(const CLI::App& app, const std::string& option,
                                std::string_view text, double min, double max) {
  std::vector<double> values;
  while (true) {
    const size_t end = std::min(text.find(','), text.size());
    values.push_back(parse_real(app, option, text.substr(0, end)));
    check_range(app, option, values.back(), min, max);
    if (end == text.size()) return values;
    text.remove_prefix(end + 1);
  }
}

std::vector<int> parse_ints(const CLI::App& app, const std::string& option, std::string_view text,
                            char separator, size_t count, std::string_view form) {
  std::vector<int> values;
  std::string_view rest = text;
  bool is_good = true;
  while (is_good) {
    const size_t end = std::min(rest.find(separator), rest.size());
    values.push_back(0);
    is_good = parse_all(rest.substr(0, end), values.back());
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (!is_good || values.size() != count) {
    fail_usage(app,
               option + " '" + std::string(text) + "' does not have the form " + std::string(form));
  }
  return values;
}

CLI::Option* add_value(CLI::App& app, const std::string& names, const std::string& type,
                       const std::string& help, std::function<void(const std::string&)> set) {
  const auto callback = [set = std::move(set)](const CLI::results_t& results) {
    set(results.front());
    return true;
  };
  return app.add_option(names, callback, help)->type_name(type);
}

CLI::Option* add_text(CLI::App& app, const std::string& names, std::string& value,
                      const std::string& type, const std::string& help) {
  CLI::Option* option =
      add_value(app, names, type, help, [&value](const std::string& text) { value = text; });
  if (!value.empty()) option->default_str(value);
  return option;
}

CLI::Option* add_texts(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                       const std::string& type, const std::string& help) {
  const auto callback = [&values](const CLI::results_t& results) {
    values = results;
    return true;
  };
  return app.add_option(name, callback, help)
      ->type_name(type)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

CLI::Option* add_reals(CLI::App& app, const std::string& name, std::vector<double>& values,
                       double min, double max, const std::string& help) {
  const auto callback = [&app, &values, name, min, max](const CLI::results_t& results) {
    for (const std::string& text : results) {
      values.push_back(parse_real(app, name, text));
      check_range(app, name, values.back(), min, max);
    }
    return true;
  };
  return app.add_option(name, callback, help)
      ->type_name("NUMBER")
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& value,
                        std::vector<std::string> choices, const std::string& help) {
  CLI::Option* option = add_value(
      app, name, "WORD", help + " (" + join(choices) + ")",
      [&app, &value, name, choices](const std::string& text) {
        if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
          const std::string meant = nearest(text, choices);
          throw Error(ErrorKind::kUsage, name + " '" + text + "' is none of " + join(choices),
                      meant.empty() ? help_hint(app) : "did you mean " + meant);
        }
        value = text;
      });
  if (!value.empty()) option->default_str(value);
  return option;
}

CLI::Option* add_seed(CLI::App& app, const std::string& name, uint64_t& value,
                      const std::string& help) {
  return add_value(app, name, "INT", help,
                   [&app, &value, name](const std::string& text) {
                     if (!parse_all(text, value)) {
                       fail_usage(
                           app, name + " '" + text + "' is not a whole number from 0 to 2^64 - 1");
                     }
                   })
      ->default_str(std::to_string(value));
}

CLI::Option* add_int(CLI::App& app, const std::string& name, int& value, int min, int max,
                     const std::string& help) {
  return add_value(app, name, "INT", help, [&app, &value, name, min, max](const std::string& text) {
    const int64_t parsed = parse_int(app, name, text);
    check_range(app, name, double(parsed), min, max);
    value = int(parsed);
  });
}

CLI::Option* add_device(CLI::App& app, std::string& value) {
  return add_text(app, "--device", value, "NAME",
                  "auto is the first GPU, or the CPU where there is none; cpu, cuda, cuda:1; not "
                  "given: $DEDIT_DEVICE, then auto");
}

CLI::Option* add_vae_tile(CLI::App& app, int& value) {
  return add_int(app, "--vae-tile", value, 0, 65536,
                 "pixels a side of the tiles that the autoencoder works in, a multiple of 32: less "
                 "memory for large pictures, which change somewhat; 512 is usual, 0 is whole")
      ->default_str("0");
}

CLI::Option* add_low_memory(CLI::App& app, bool& value) {
  return app.add_flag("--low-memory", value,
                      "weights take memory only while they are used: the same picture, a little "
                      "later; on a GPU they are copied to it in every step, which is slow");
}

CLI::Option* add_prompt_syntax(CLI::App& app, std::string& value) {
  return add_choice(app, "--prompt-syntax", value, {"plain", "webui"},
                    "plain takes every character as text; webui reads (a:1.3), [a], BREAK, "
                    "[a:b:0.5], [a|b], AND and \\( as web UIs do");
}

PromptSyntax prompt_syntax_of(const std::string& name) {
  return name == "webui" ? PromptSyntax::kWebui : PromptSyntax::kPlain;
}

std::pair<std::string, std::string> parse_embedding(const CLI::App& app, const std::string& text) {
  const size_t at = text.find('=');
  if (at == 0 || at == text.npos || at + 1 == text.size()) {
    fail_usage(app, "--embedding '" + text + "' does not have the form NAME=FILE");
  }
  return {text.substr(0, at), text.substr(at + 1)};
}

std::string number_text(double value) {
  std::ostringstream text;
  text.precision(std::numeric_limits<double>::digits10);
  text << value;
  return text.str();
}

std::string count_text(size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

void add_params(CLI::App& app, std::span<const Param> params, ParamValues& values) {
  for (const Param& param : params) {
    const std::string name(param.name);
    if (param.kind != ParamKind::kFile) {
      add_number(app, param, values.numbers[name] = param.value);
    } else if (!is_taken(app, "--" + name)) {
      add_value(app, "--" + name, "FILE", std::string(param.help),
                [&values, name](const std::string& text) { values.files[name] = text; });
    }
  }
}

}  // namespace dedit::cli

// The command line as a whole: the tree of commands, its help, and its errors as our errors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace dedit::cli {

/// The tool with every command of the registry.
std::unique_ptr<CLI::App> make_app();

/// Parses `words` (without the program's name) and runs the command they choose, or prints help.
/// Throws Error, ClosedPipe and what commands throw; never a CLI11 exception.
void run_app(CLI::App& app, std::vector<std::string> words);

}  // namespace dedit::cli

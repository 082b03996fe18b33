// Command: one subcommand of the tool. Each lives in a file of its own under tools/commands/, named
// after it; the table of all of them is generated from that folder.
#pragma once

#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace dedit {

/// Headings of the overview, in its order.
enum class CommandGroup { kEdit, kPrepare, kLook };

/// A row of the registry.
struct Command {
  std::string_view name;
  std::string_view summary;
  CommandGroup group = CommandGroup::kEdit;
  /// Adds the command's options to `app` and sets the callback that runs it. A command of two words
  /// adds its second words as subcommands of `app`, each with a callback of its own.
  void (*add)(CLI::App& app) = nullptr;
};

/// All commands, sorted by name (generated).
std::span<const Command* const> all_commands();

}  // namespace dedit

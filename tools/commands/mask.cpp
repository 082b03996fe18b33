#include "command.h"
#include "mask_commands.h"

namespace dedit::commands {
namespace {

void add(CLI::App& app) {
  cli::add_mask_commands(app, "Shapes", cli::mask_shapes());
  cli::add_mask_commands(app, "From a picture", cli::mask_choices());
  cli::add_mask_commands(app, "From masks", cli::mask_changes());
}

}  // namespace

extern const Command mask;
const Command mask = {
    .name = "mask",
    .summary = "make and mend masks: white is repainted, black kept",
    .group = CommandGroup::kPrepare,
    .add = add,
};

}  // namespace dedit::commands

// `dedit KIND --image ...`: for every annotator, the edit in one command that makes its map and a
// picture under it.
#pragma once

#include <CLI/CLI.hpp>

namespace dedit::cli {

/// Adds one command per annotator, except where a command of that name is there already.
void add_map_edits(CLI::App& root);

}  // namespace dedit::cli

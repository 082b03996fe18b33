// What this build is made of and where its files lie.
#pragma once

#include <filesystem>
#include <vector>

namespace dedit {

/// Where the model that ships may be, in order: beside the executable's installation, at the
/// configured install prefix, in the source tree it was built from.
std::vector<std::filesystem::path> default_model_folders();

}  // namespace dedit

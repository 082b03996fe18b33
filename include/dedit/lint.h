// Mistakes that pictures, masks and maps show before a model is loaded: one sentence each, with the
// remedy.
#pragma once

#include <string>
#include <vector>

#include "dedit/image.h"

namespace dedit {

/// A picture to edit: alpha over one constant colour.
std::vector<std::string> lint_picture(const Image& picture);

/// A mask: black, white, or painted black on white.
std::vector<std::string> lint_mask(const Image& mask);

/// A finished control map named `name`: dark lines on light paper.
std::vector<std::string> lint_map(const Image& map, const std::string& name);

}  // namespace dedit

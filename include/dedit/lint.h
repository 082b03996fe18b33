// Mistakes that pictures, masks and maps show before a model is loaded: one sentence each, with the
// remedy.
#pragma once

#include <string>
#include <vector>

#include "dedit/geometry.h"
#include "dedit/image.h"
#include "dedit/request.h"

namespace dedit {

/// A picture to edit: alpha over one constant colour.
std::vector<std::string> lint_picture(const Image& picture);

/// A mask: black, white, or painted black on white.
std::vector<std::string> lint_mask(const Image& mask);

/// A finished control map named `name`: dark lines on light paper.
std::vector<std::string> lint_map(const Image& map, const std::string& name);

/// What `fit` makes of a map, a mask or a picture for a map on a result of another aspect; `name`
/// begins the sentence.
std::vector<std::string> lint_aspect(const Image& image, const std::string& name,
                                     const Size& result, Fit fit);

/// lint_aspect of the controls' maps and masks where their fit was not chosen. Throws Error(kUsage)
/// for a result over Image::kMaxSide.
std::vector<std::string> lint_controls(const EditRequest& request);

}  // namespace dedit

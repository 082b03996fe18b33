// Controls of maps that are made from the picture to edit.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dedit/request.h"

namespace dedit {

/// Of the request's result: as asked; a missing side follows the aspect of the (cropped) picture,
/// else of the first map; with neither, `native`. Throws Error(kUsage) over Image::kMaxSide.
Size result_size(const EditRequest& request, int native);

struct AnnotatedControl {
  ControlUnit unit;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;  ///< what was chosen, and at what size
};

/// The control of the map that `kind` makes of the request's picture, laid on the result. The
/// picture is cropped and scaled to the result first, so that the map needs no resizing; filled
/// borders are not annotated. Three rules differ: Compat::kWebui and kComfy annotate as the web
/// UI's "pixel perfect" does (the short side at what it becomes on the result, both sides continued
/// to a multiple of 64), then resize the map; kDiffusers leaves the map at the crop's own size, to
/// be stretched like a given one; and an annotator that reads files works at the picture's own
/// size, which they have (a network is no such file). Without a picture the map is as `kind` makes
/// it. Throws as `annotate` does, and Error(kUsage) for sizes that do not fit each other.
AnnotatedControl annotate_control(const EditRequest& request, const std::string& kind,
                                  const std::map<std::string, double>& values = {},
                                  const std::map<std::string, std::string>& files = {});

}  // namespace dedit

// Collects stored tensors into a Component under canonical names.
#pragma once

#include <string>
#include <vector>

#include "io/checkpoint.h"
#include "io/weight_files.h"

namespace dedit {

/// A diffusers component ("unet", "vae", "text_encoder" ...) from its tensors. `source` is its file
/// or folder. Throws Error(kModel) if it is stored in 8-bit types or has no tensors.
Component canonical_diffusers(std::string name, std::string source, std::string config_json,
                              const WeightSet& weights);

/// A component from the CompVis names that start with `prefix`; empty if there are none.
Component canonical_compvis(std::string name, std::string source, std::string_view prefix,
                            const WeightSet& weights);

/// Throws Error(kModel) if a network's weights are in types that are not read.
void refuse_unread_types(const WeightSet& weights, const std::string& source);

}  // namespace dedit

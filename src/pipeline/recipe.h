// The recipe: everything that decides a picture and nothing that does not, as JSON text.
#pragma once

#include <cstdint>
#include <string>

#include "pipeline/plan.h"

namespace dedit {

/// Recipe of one picture of the batch. Inputs stand with the hashes of their pixels, models with
/// names and fingerprints; no time, host, thread count or absolute path.
std::string make_recipe(const Model::Impl& model, const EditRequest& request, const EditPlan& plan,
                        size_t picture);

/// Key of the recipe in a PNG's text.
inline constexpr const char* kRecipeKey = "dedit";

}  // namespace dedit

// Stable Diffusion XL: two text encoders, size conditioning. Recognised, not run yet.
#include "models/family.h"

namespace dedit::families {
namespace {

constexpr std::string_view kTextEncoders[] = {"text_encoder", "text_encoder_2"};
constexpr Layout kLayouts[] = {Layout::kDiffusers};

bool matches(const Checkpoint& c) {
  return c.has("text_encoder_2") || cross_attention_width(c) == 2048;
}

}  // namespace

extern const ModelFamily sdxl;
const ModelFamily sdxl = {.name = "sdxl",
                          .summary = "Stable Diffusion XL",
                          .text_encoders = kTextEncoders,
                          .layouts = kLayouts,
                          .matches = matches};

}  // namespace dedit::families

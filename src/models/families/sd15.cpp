// Stable Diffusion 1.x: CLIP ViT-L/14 text states 768 wide, 860 M U-Net, latents at an eighth.
#include "models/family.h"

namespace dedit::families {
namespace {

constexpr std::string_view kTextEncoders[] = {"text_encoder"};
constexpr Layout kLayouts[] = {Layout::kDiffusers, Layout::kCompVis};

bool matches(const Checkpoint& c) {
  return cross_attention_width(c) == 768;
}

}  // namespace

extern const ModelFamily sd15;
const ModelFamily sd15 = {.name = "sd15",
                          .summary = "Stable Diffusion 1.x",
                          .text_encoders = kTextEncoders,
                          .layouts = kLayouts,
                          .matches = matches,
                          .make_network = make_unet_network,
                          .network_spec = unet_network_spec};

}  // namespace dedit::families

// Stable Diffusion 2.x: OpenCLIP ViT-H text states 1024 wide, linear projections, heads 64 wide.
#include "models/family.h"

namespace dedit::families {
namespace {

constexpr std::string_view kTextEncoders[] = {"text_encoder"};
constexpr Layout kLayouts[] = {Layout::kDiffusers};

bool matches(const Checkpoint& c) {
  return cross_attention_width(c) == 1024;
}

}  // namespace

extern const ModelFamily sd21;
const ModelFamily sd21 = {.name = "sd21",
                          .summary = "Stable Diffusion 2.x",
                          .text_encoders = kTextEncoders,
                          .layouts = kLayouts,
                          .matches = matches,
                          .make_network = make_unet_network,
                          .network_spec = unet_network_spec};

}  // namespace dedit::families

// Models of Stable Diffusion 1.x's design with sizes of their own: the model that ships, test
// models.
#include "models/family.h"

namespace dedit::families {
namespace {

constexpr std::string_view kTextEncoders[] = {"text_encoder"};
constexpr Layout kLayouts[] = {Layout::kDiffusers, Layout::kCompVis};

bool matches(const Checkpoint& c) {
  const int64_t width = cross_attention_width(c);
  const bool is_known = width == 768 || width == 1024 || width == 2048;
  return width > 0 && !is_known && !c.has("text_encoder_2");
}

}  // namespace

extern const ModelFamily sd_like;
const ModelFamily sd_like = {.name = "sd_like",
                             .summary = "a latent diffusion model of Stable Diffusion's design",
                             .text_encoders = kTextEncoders,
                             .layouts = kLayouts,
                             .matches = matches,
                             .make_network = make_unet_network,
                             .network_spec = unet_network_spec};

}  // namespace dedit::families

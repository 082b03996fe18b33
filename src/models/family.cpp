#include "models/family.h"

#include "core/str.h"

namespace dedit {
namespace {

class UNetNetwork final : public Network {
 public:
  UNetNetwork(const Build& build, const Weights& w, const UNetConfig& config)
      : unet_(build, w, config) {}
  Tensor operator()(Ctx& ctx, const Tensor& x, std::span<const double> timesteps,
                    const Conditioning& conditioning,
                    const ControlResiduals* residuals) const override {
    return unet_(ctx, x, timesteps, conditioning, residuals);
  }

 private:
  UNet2DConditionModel unet_;
};

}  // namespace

LatentSpec latent_spec(const VaeConfig& c) {
  return {.channels = c.latent_channels,
          .factor = c.factor(),
          .scale = c.scaling_factor,
          .shift = c.shift_factor};
}

const ModelFamily& find_family(const Checkpoint& checkpoint) {
  for (const ModelFamily* family : all_families()) {
    if (!family->matches(checkpoint)) continue;
    if (family->make_network) return *family;
    throw Error(ErrorKind::kModel,
                str(checkpoint.path(), ": this is ", family->summary, ", which cannot be run yet"),
                "Stable Diffusion 1.x and 2.x checkpoints can");
  }
  throw Error(ErrorKind::kModel, str(checkpoint.path(), ": no model family fits its tensors"),
              "a Stable Diffusion 1.x checkpoint (folder or .safetensors file) is expected");
}

int64_t cross_attention_width(const Checkpoint& checkpoint) {
  if (!checkpoint.has("unet")) return 0;
  for (const auto& [name, view] : checkpoint.component("unet").tensors) {
    if (name.ends_with(".attn2.to_k.weight") && view.shape.rank() == 2) return view.shape[1];
  }
  return 0;
}

std::unique_ptr<Network> make_unet_network(const Build& build, const Weights& w,
                                           const Component& component) {
  auto network = std::make_unique<UNetNetwork>(build, w, unet_config(component));
  return build.backend ? std::move(network) : nullptr;
}

NetworkSpec unet_network_spec(const Component& component) {
  const UNetConfig c = unet_config(component);
  return {.in_channels = c.in_channels,
          .context_width = c.cross_attention_dim,
          .native_cells = c.sample_size};
}

}  // namespace dedit

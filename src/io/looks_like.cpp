#include "core/str.h"
#include "io/checkpoint.h"

namespace dedit {
namespace {

/// Dimension i of a tensor, 0 if there is none.
int64_t dim(const Component& c, std::string_view name, int i) {
  const auto found = c.tensors.find(name);
  return found == c.tensors.end() || found->second.shape.rank() <= i ? 0 : found->second.shape[i];
}

int64_t cross_attention_width(const Component& c) {
  for (const auto& [name, view] : c.tensors) {
    if (name.ends_with(".attn2.to_k.weight") && view.shape.rank() == 2) return view.shape[1];
  }
  return 0;
}

std::string network_family(int64_t width, int64_t first_channels) {
  if (first_channels == 384 && width == 1280) return "the Stable Diffusion XL refiner";
  if (first_channels != 320) return "a network of another size";
  if (width == 768) return "Stable Diffusion 1.x";
  if (width == 1024) return "Stable Diffusion 2.x";
  if (width == 2048) return "Stable Diffusion XL";
  return "a network of another size";
}

/// U-Net and ControlNet. Widths: Stable Diffusion's published configurations.
std::string network(const Component& c) {
  const int64_t width = cross_attention_width(c);
  const int64_t inputs = dim(c, "conv_in.weight", 1);
  std::string text = network_family(width, dim(c, "conv_in.weight", 0));
  if (c.name == "controlnet") text = "a ControlNet for " + text;
  if (inputs == 9) text += " inpainting";
  if (inputs == 8) text += " InstructPix2Pix";
  if (inputs == 5) text += " with depth input";
  text += str(" (cross-attention width ", width);
  if (inputs != 4) text += str(", ", inputs, " input channels");
  return text + ")";
}

std::string vae(const Component& c) {
  const int64_t channels = dim(c, "decoder.conv_in.weight", 1);
  const std::string text = str(" (", channels, " latent channels)");
  if (channels == 4) return "a VAE of Stable Diffusion 1.x, 2.x or XL" + text;
  if (channels == 16) return "a VAE of Stable Diffusion 3 or Flux" + text;
  return "a VAE of another model" + text;
}

std::string text_encoder(const Component& c) {
  const int64_t width = dim(c, "text_model.embeddings.token_embedding.weight", 1);
  const std::string text = str(" (width ", width, ")");
  if (width == 768) return "CLIP ViT-L/14, the text encoder of Stable Diffusion 1.x" + text;
  if (width == 1024) return "OpenCLIP ViT-H/14, the text encoder of Stable Diffusion 2.x" + text;
  if (width == 1280) return "OpenCLIP bigG/14, the second text encoder of XL" + text;
  return "a text encoder of another model" + text;
}

}  // namespace

std::string looks_like(const Component& component) {
  if (component.name == "vae") return vae(component);
  if (component.name.starts_with("text_encoder")) return text_encoder(component);
  return network(component);
}

}  // namespace dedit

#include "pipeline/picture_coder.h"

#include <cmath>
#include <utility>

#include "io/image_ops.h"

namespace dedit {

const std::vector<float>& PictureCoder::moments(Ctx& ctx, const Image& image, int width, int height,
                                                int tile) {
  std::vector<float> planes = to_planar_signed(image, width, height);
  if (last_.width == width && last_.tile == tile && last_.planes == planes) return last_.moments;
  Planes x{3, height, width, std::move(planes)};
  std::vector<float> moments = encode_tiled(ctx, *model_.vae, x, tile).values;
  last_ = {width, tile, std::move(x.values), std::move(moments)};
  return last_.moments;
}

Planes PictureCoder::decode(Ctx& ctx, Planes latents, int tile) const {
  const auto scale = float(1 / model_.latent.scale), shift = float(model_.latent.shift);
  for (float& v : latents.values) v = scale * v + shift;
  return decode_tiled(ctx, *model_.vae, latents, tile);
}

std::vector<float> posterior(const std::vector<float>& moments, const LatentSpec& spec,
                             const std::vector<float>* draw) {
  const size_t n = moments.size() / 2;
  std::vector<float> z(n);
  for (size_t i = 0; i < n; ++i) {
    z[i] = moments[i];
    if (draw) {
      const float logvar = std::fmin(std::fmax(moments[n + i], -30.0f), 20.0f);
      z[i] += std::exp(0.5f * logvar) * (*draw)[i];
    }
    z[i] = (z[i] - float(spec.shift)) * float(spec.scale);
  }
  return z;
}

}  // namespace dedit

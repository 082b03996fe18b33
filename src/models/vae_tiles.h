// The autoencoder in tiles, for pictures that do not fit the memory whole: what diffusers'
// AutoencoderKL.tiled_encode and tiled_decode do (enable_tiling()). Tiles overlap by a quarter and
// are blended there by straight lines. Group norms see a tile alone, so that tiles differ somewhat
// from the whole and from each other.
#pragma once

#include <vector>

#include "models/vae.h"

namespace dedit {

/// One picture's planes in host memory, [channels, height, width].
struct Planes {
  int channels = 0, height = 0, width = 0;
  std::vector<float> values;
};

/// What a tile's side must be a multiple of, in pixels; `factor` is how many a latent cell has.
int vae_tile_grain(int factor);

/// x in [-1, 1], sides multiples of the factor -> moments. `tile`: pixels a side, a multiple of
/// vae_tile_grain(); 0, or a picture no larger than a tile: whole.
Planes encode_tiled(Ctx& ctx, const AutoencoderKL& vae, const Planes& x, int tile);

/// Latents, not scaled -> planes about [-1, 1]; `tile` as above, in pixels too.
Planes decode_tiled(Ctx& ctx, const AutoencoderKL& vae, const Planes& z, int tile);

}  // namespace dedit

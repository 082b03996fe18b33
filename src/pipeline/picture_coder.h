// PictureCoder: a session's way between pictures and latents.
#pragma once

#include <vector>

#include "models/vae_tiles.h"
#include "pipeline/loaded_model.h"

namespace dedit {

class PictureCoder {
 public:
  explicit PictureCoder(const Model::Impl& model) : model_(model) {}

  /// Moments of a picture laid on width x height, multiples of the latent factor: host NCHW
  /// [1, 2C, h, w]. Those of the last picture are kept: an editor asks for one picture after
  /// another of the same source. `tile`: see EditRequest::vae_tile.
  const std::vector<float>& moments(Ctx& ctx, const Image& image, int width, int height, int tile);

  /// Planes about [-1, 1] of one picture's latents in network scale, host NCHW [C, h, w].
  Planes decode(Ctx& ctx, Planes latents, int tile) const;

 private:
  const Model::Impl& model_;
  struct {
    int width = 0, tile = 0;
    std::vector<float> planes;  // in [-1, 1]
    std::vector<float> moments;
  } last_;
};

/// Mean, or mean + deviation * draw, times the latent scale, from the encoder's moments.
std::vector<float> posterior(const std::vector<float>& moments, const LatentSpec& spec,
                             const std::vector<float>* draw);

}  // namespace dedit

// Start noise of a picture: the generator that a request asks for, and variations between seeds.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/random.h"

#include "dedit/request.h"

namespace dedit {

std::unique_ptr<NormalGenerator> make_generator(Rng kind, uint64_t seed);

/// From `low` (share 0) to `high` (share 1) along the great circle, both [C, H, W]: each column of
/// each channel by its own angle, as web UIs do. Columns in line with each other are blended
/// straight (the web UI divides by zero for pictures of one latent row).
std::vector<float> slerp(double share, std::span<const float> low, std::span<const float> high,
                         int64_t height, int64_t width);

/// Replaces the `noise` of a picture, [C, H, W], by the request's variation of it.
void vary(const EditRequest& request, size_t picture, int64_t height, int64_t width,
          std::vector<float>& noise);

}  // namespace dedit

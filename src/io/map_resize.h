// Control maps at another size, so that they stay what they are: lines one pixel wide, blocks of
// class colours, soft maps.
#pragma once

#include "dedit/image.h"
#include "dedit/request.h"

namespace dedit {

/// `map` at width x height, as it is where that is its size.
/// - 8-bit black and white whose white is mostly one pixel wide (edges): cubic or area average,
/// then
///   only the ridges, Otsu's threshold, and thinned to one pixel; where it grows, spurs are pruned.
///   This is the web UI extension's rule (Mikubill/sd-webui-controlnet, Zhang's thinning).
/// - other 8-bit black and white: cubic or area average and Otsu's threshold;
/// - 3 to 199 colours: nearest pixel, centres on centres (Compat::kWebui: corners on corners);
/// - values below 0 (the inpainting hint): nearest pixel, centres on centres;
/// - any other: see resize.
/// Compat::kComfy takes the nearest pixel for every map.
Image resize_map(const Image& map, int width, int height, Compat compat = Compat::kOwn);

}  // namespace dedit

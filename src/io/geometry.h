// Making a Geometry, and laying pictures, masks and maps by it.
#pragma once

#include "dedit/geometry.h"
#include "dedit/request.h"

namespace dedit {

/// Of a source of this size (the `crop` of it, if given) on a result of `width` x `height`.
/// kStretch scales each side by its own factor; kCrop by the larger of the two, kFill by the
/// smaller one, sides rounded half to even, the rest shared out evenly (rounded down at the top and
/// left). kExact is kStretch where the aspect is the same within the rounding of either side.
/// Throws Error(kUsage) for a crop outside the source or another aspect under kExact.
Geometry make_geometry(int source_width, int source_height, const std::optional<Rect>& crop,
                       int width, int height, Fit fit, int factor);

/// The geometry of another picture that shows what the crop of `g` shows: laid on the same result.
Geometry geometry_of_part(const Geometry& g, int source_width, int source_height, Fit fit);

/// A part of a picture, which must lie inside it; text goes.
Image cut(const Image& image, const Rect& part);

/// Continued on the right and below by its last column and row to a multiple of `block`.
Image pad_to_multiple(const Image& image, int block);

/// The crop alone, at its own size. `image` has the source's size, else Error(kUsage); text goes.
Image crop_picture(const Geometry& g, const Image& image);

/// The scaled crop without what the frame cuts off and without filled borders.
Image visible_picture(const Geometry& g, const Image& image);

/// The whole result; borders repeat the picture's edge. Area averages or cubics (see resize).
Image place_picture(const Geometry& g, const Image& image);

/// The same of a mask, grey 8 bit (see to_mask8); where it grows, in straight lines.
Image place_mask(const Geometry& g, const Image& mask);

/// The same of a control map by resize_map; borders are the median of its edge pixels.
Image place_map(const Geometry& g, const Image& map, Compat compat);

/// Short side at which the web UI's "pixel perfect" annotates a crop of this geometry: what the
/// crop's short side becomes on the result.
int pixel_perfect_resolution(const Geometry& g);

}  // namespace dedit

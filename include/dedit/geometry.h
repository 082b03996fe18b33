// Geometry: where a picture comes to lie on the grid that is worked on. One value is shared by the
// picture, its mask and every map made from it.
#pragma once

#include <optional>
#include <string>

#include "dedit/image.h"

namespace dedit {

/// How a picture comes to another size.
enum class Fit {
  kExact,    ///< the same aspect only; another one is refused
  kStretch,  ///< each side by its own factor ("just resize")
  kCrop,     ///< fills the frame, what hangs over is cut off evenly ("crop and resize")
  kFill      ///< all of it inside the frame, the borders are filled ("resize and fill")
};

/// A part of a picture, in pixels.
struct Rect {
  int x = 0, y = 0, width = 0, height = 0;
};

struct Size {
  int width = 0, height = 0;
};

/// Whether two sizes are of one aspect, within what rounding either side to whole pixels can do.
bool same_aspect(const Size& a, const Size& b);

/// The crop of the source is scaled to scaled_width x scaled_height and laid on the result with its
/// corner at (left, top); below 0 that much of it is cut off. The grid is the result, its last rows
/// and columns repeated to a multiple of the latent factor.
struct Geometry {
  int source_width = 0, source_height = 0;
  Rect crop;
  int scaled_width = 0, scaled_height = 0;
  int left = 0, top = 0;
  int width = 0, height = 0;
  int grid_width = 0, grid_height = 0;
  Fit fit = Fit::kExact;

  /// Where a point of the source (pixel i covers i to i + 1) lies on the result.
  double x_of(double x) const { return left + (x - crop.x) * scaled_width / crop.width; }
  double y_of(double y) const { return top + (y - crop.y) * scaled_height / crop.height; }

  /// "640x480, 400x400 of it at 120,40, crop to 256x256, grid 256x256".
  std::string text() const;
};

/// "exact" "stretch" "crop" "fill".
std::string name_of(Fit fit);

}  // namespace dedit

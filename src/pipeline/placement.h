// Where a request's picture, masks and maps come to lie on its result.
#pragma once

#include <optional>

#include "io/geometry.h"

#include "dedit/control.h"
#include "dedit/request.h"

namespace dedit {

/// Of the request's picture, which must be there. Throws as make_geometry does.
Geometry picture_geometry(const EditRequest& request, const Size& size, int factor);

/// A control's map and mask on the result.
struct PlacedControl {
  Geometry geometry;  ///< of the map
  Image hint;
  std::optional<Image> mask8;  ///< grey 8 bit
};

/// `picture` is that of the request's picture; all 0 without one. Throws Error(kUsage) for sizes
/// that do not fit.
PlacedControl place_control(const EditRequest& request, const ControlUnit& unit,
                            const Geometry& picture, const Size& size, int factor);

}  // namespace dedit

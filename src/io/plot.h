// Line plots, for schedules.
#pragma once

#include <string>
#include <vector>

#include "dedit/image.h"

namespace dedit {

struct Curve {
  std::string name;
  std::vector<double> x, y;  ///< values that are not finite are left out
  bool has_marks = true;     ///< a dot at each point
};

struct Panel {
  std::string title, x_label;
  std::vector<Curve> curves;
  std::vector<double> levels;  ///< horizontal lines, labelled with their value
  bool is_log = false;         ///< y, of positive values
};

/// The panels in two columns, one colour per curve's place in its panel, a legend on top.
Image draw_panels(const std::vector<Panel>& panels, int width, int height);

}  // namespace dedit

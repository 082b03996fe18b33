#include "pipeline/placement.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "annotators/annotator.h"
#include "core/rgb8.h"
#include "core/str.h"
#include "io/image_ops.h"
#include "pipeline/plan_reference.h"

#include "dedit/control.h"
#include "dedit/error.h"
#include "dedit/info.h"
#include "dedit/lint.h"

namespace dedit {
namespace {

bool has_size(const Geometry& g, const Image& image) {
  return image.width == g.source_width && image.height == g.source_height;
}

bool is_web_tool(Compat compat) {
  return compat == Compat::kWebui || compat == Compat::kComfy;
}

Fit fit_of(const EditRequest& r) {
  if (r.fit) return *r.fit;
  const bool stretches = r.compat == Compat::kWebui || r.compat == Compat::kDiffusers;
  return stretches ? Fit::kStretch : Fit::kExact;
}

Fit fit_of(const EditRequest& r, const ControlUnit& unit, const Image& map, const Size& size) {
  if (unit.fit) return *unit.fit;
  if (r.compat == Compat::kDiffusers) return Fit::kStretch;
  const bool crops = is_web_tool(r.compat) || !same_aspect({map.width, map.height}, size);
  return crops ? Fit::kCrop : Fit::kExact;
}

/// Shows what the picture shows, or what its crop shows.
Geometry geometry_of(const EditRequest& r, const ControlUnit& unit, const Image& map,
                     const Geometry& picture, const Size& size, int factor) {
  if (has_size(picture, map)) return picture;
  return make_geometry(map.width, map.height, {}, size.width, size.height,
                       fit_of(r, unit, map, size), factor);
}

/// The web UI's annotation: the short side at the resolution, the picture continued by its last row
/// and column to a multiple of 64, the map without that.
AnnotateResult annotate_padded(const std::string& kind, const Image& picture, int resolution,
                               const std::map<std::string, double>& values,
                               const std::map<std::string, std::string>& files) {
  constexpr int kBlock = 64;
  const double k = double(resolution) / std::min(picture.width, picture.height);
  const auto side = [&](int n) { return std::max(1, int(std::nearbyint(n * k))); };
  const Image scaled = resize(to_rgb8(picture), side(picture.width), side(picture.height));
  AnnotateResult made = annotate(kind, pad_to_multiple(scaled, kBlock), values, files);
  made.map = cut(made.map, {0, 0, scaled.width, scaled.height});
  return made;
}

/// Whether a file says where things are in the picture: any but a network.
bool has_places(const std::map<std::string, std::string>& files) {
  return std::any_of(files.begin(), files.end(),
                     [](const auto& file) { return file.first != kNetworkParam; });
}

/// Leaves the map in `unit`, laid on the result but for Compat::kDiffusers.
AnnotateResult annotate_picture(const EditRequest& r, ControlUnit& unit) {
  const Geometry g = picture_geometry(r, result_size(r, 0), 1);
  const bool is_reference = r.compat == Compat::kDiffusers;
  const auto make = [&](const Image& picture) {
    return annotate(unit.annotator, picture, unit.params, unit.files);
  };
  AnnotateResult made;
  Geometry of_map;
  if (has_places(unit.files)) {
    made = make(*r.image);
    of_map = geometry_of(r, unit, made.map, g, {g.width, g.height}, 1);
  } else {
    const Image part = crop_picture(g, *r.image);
    made = is_reference ? make(part)
           : is_web_tool(r.compat)
               ? annotate_padded(unit.annotator, part, pixel_perfect_resolution(g), unit.params,
                                 unit.files)
               : make(visible_picture(g, *r.image));
    of_map = geometry_of_part(g, made.map.width, made.map.height, g.fit);
  }
  unit.is_fitted = !is_reference;
  unit.hint = is_reference ? made.map : place_map(of_map, made.map, r.compat);
  made.notes.push_back(str(unit.annotator, ": map of ", made.map.width, "x", made.map.height));
  return made;
}

}  // namespace

Size result_size(const EditRequest& r, int native) {
  Size from{native, native};
  if (r.image) {
    from = r.crop ? Size{r.crop->width, r.crop->height} : Size{r.image->width, r.image->height};
  } else if (!r.controls.empty()) {
    from = {r.controls[0].hint.width, r.controls[0].hint.height};
  }
  Size size{r.width, r.height};
  const auto share = [](int side, int whole, int part) {
    return std::max(1, int(std::lround(double(side) * part / std::max(1, whole))));
  };
  if (size.width == 0 && size.height == 0) size = from;
  if (size.width == 0) size.width = share(size.height, from.height, from.width);
  if (size.height == 0) size.height = share(size.width, from.width, from.height);
  if (std::max(size.width, size.height) > Image::kMaxSide) {
    throw Error(ErrorKind::kUsage,
                str("size ", size.width, "x", size.height, " is over ", Image::kMaxSide));
  }
  return size;
}

Geometry picture_geometry(const EditRequest& r, const Size& size, int factor) {
  return make_geometry(r.image->width, r.image->height, r.crop, size.width, size.height, fit_of(r),
                       factor);
}

PlacedControl place_control(const EditRequest& r, const ControlUnit& unit, const Geometry& picture,
                            const Size& size, int factor) {
  PlacedControl placed;
  if (unit.is_fitted) {
    placed.geometry = picture;
    placed.hint = unit.hint;
  } else {
    placed.geometry = geometry_of(r, unit, unit.hint, picture, size, factor);
    placed.hint = r.compat == Compat::kDiffusers
                      ? fit_reference_hint(crop_picture(placed.geometry, unit.hint), size)
                      : place_map(placed.geometry, unit.hint, r.compat);
  }
  if (placed.hint.width != size.width || placed.hint.height != size.height) {
    throw Error(ErrorKind::kUsage,
                str("a fitted control map is ", placed.hint.width, "x", placed.hint.height,
                    ", the result ", size.width, "x", size.height));
  }
  if (unit.mask) {
    placed.mask8 = place_mask(geometry_of(r, unit, *unit.mask, picture, size, factor), *unit.mask);
  }
  return placed;
}

std::vector<std::string> lint_controls(const EditRequest& r) {
  std::vector<std::string> warnings;
  if (r.controls.empty()) return warnings;
  const Size size = result_size(r, 0);
  const auto check = [&](const ControlUnit& unit, const Image& image, const std::string& name) {
    const bool follows_picture =
        r.image && r.image->width == image.width && r.image->height == image.height;
    if (unit.fit || follows_picture) return;
    const Fit fit = fit_of(r, unit, image, size);
    for (std::string& text : lint_aspect(image, name, size, fit)) {
      warnings.push_back(std::move(text));
    }
  };
  for (size_t k = 0; k < r.controls.size(); ++k) {
    const ControlUnit& unit = r.controls[k];
    if (!unit.is_fitted) check(unit, unit.hint, str("the map of control ", k + 1));
    if (unit.mask) check(unit, *unit.mask, str("the mask of control ", k + 1));
  }
  return warnings;
}

AnnotatedControl annotate_control(const EditRequest& r, const std::string& kind,
                                  const std::map<std::string, double>& values,
                                  const std::map<std::string, std::string>& files) {
  AnnotatedControl out;
  ControlUnit& unit = out.unit;
  unit.annotator = kind;
  unit.params = values;
  unit.files = files;
  AnnotateResult made;
  if (r.image) {
    made = annotate_picture(r, unit);
  } else {
    made = annotate(kind, Image(), values, files);
    unit.hint = std::move(made.map);
  }
  unit.hashes = std::move(made.hashes);
  out.warnings = std::move(made.warnings);
  out.notes = std::move(made.notes);
  return out;
}

}  // namespace dedit

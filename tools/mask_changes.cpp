// dedit mask union, intersect, subtract, invert, grow, shrink, feather, fill, largest, smooth,
// threshold, convert, overlay.
#include "mask_commands.h"
#include "values.h"

namespace dedit::cli {
namespace {

void add_several(CLI::App& app, MaskOptions& o) {
  add_masks(app, o, "two or more masks of one size");
}

Image combine(const CLI::App& app, const MaskOptions& o, MaskOp op) {
  if (o.masks.size() < 2) {
    fail_usage(app, "two or more MASKs are needed, not " + std::to_string(o.masks.size()));
  }
  std::vector<Image> masks;
  for (const std::string& path : o.masks) masks.push_back(load_mask(path));
  return combine_masks(masks, op);
}

Image make_union(const CLI::App& app, const MaskOptions& o) {
  return combine(app, o, MaskOp::kUnion);
}
Image make_intersect(const CLI::App& app, const MaskOptions& o) {
  return combine(app, o, MaskOp::kIntersect);
}
Image make_subtract(const CLI::App& app, const MaskOptions& o) {
  return combine(app, o, MaskOp::kSubtract);
}

void add_one(CLI::App& app, MaskOptions& o) {
  add_masks(app, o, "the mask");
}

Image make_same(const CLI::App& app, const MaskOptions& o) {
  return load_one_mask(app, o);
}
Image make_inverse(const CLI::App& app, const MaskOptions& o) {
  return invert_mask(load_one_mask(app, o));
}

constexpr int kMostRadius = 1024;

void add_radius(CLI::App& app, MaskOptions& o, const char* help) {
  add_one(app, o);
  add_int(app, "--radius", o.radius, 0, kMostRadius, help)->default_str("8");
}

void add_spread(CLI::App& app, MaskOptions& o) {
  add_radius(app, o, "pixels");
  add_choice(app, "--brush", o.brush, {"disc", "box"}, "what each pixel becomes");
}

MaskBrush brush_of(const MaskOptions& o) {
  return o.brush == "box" ? MaskBrush::kBox : MaskBrush::kDisc;
}

Image make_grown(const CLI::App& app, const MaskOptions& o) {
  return grow_mask(load_one_mask(app, o), o.radius, brush_of(o));
}
Image make_shrunk(const CLI::App& app, const MaskOptions& o) {
  return shrink_mask(load_one_mask(app, o), o.radius, brush_of(o));
}

void add_feather(CLI::App& app, MaskOptions& o) {
  add_radius(app, o, "pixels over which the edge fades");
  add_choice(app, "--side", o.side, {"in", "out", "both"},
             "in keeps every black pixel black; out keeps every white one white");
}

Image make_feathered(const CLI::App& app, const MaskOptions& o) {
  const FeatherSide side = o.side == "in"    ? FeatherSide::kIn
                           : o.side == "out" ? FeatherSide::kOut
                                             : FeatherSide::kBoth;
  return feather_mask(load_one_mask(app, o), o.radius, side);
}

Image make_filled(const CLI::App& app, const MaskOptions& o) {
  return fill_holes(load_one_mask(app, o));
}

void add_largest(CLI::App& app, MaskOptions& o) {
  add_one(app, o);
  add_int(app, "--count", o.count, 1, 1000000, "regions to keep")->default_str("1");
}

Image make_largest(const CLI::App& app, const MaskOptions& o) {
  return keep_largest(load_one_mask(app, o), o.count);
}

void add_smooth(CLI::App& app, MaskOptions& o) {
  add_radius(app, o, "pixels; what is thinner vanishes");
}

Image make_smooth(const CLI::App& app, const MaskOptions& o) {
  return smooth_mask(load_one_mask(app, o), o.radius);
}

void add_threshold(CLI::App& app, MaskOptions& o) {
  add_one(app, o);
  add_int(app, "--at", o.level, 1, 255, "grey that is white, and all above")->default_str("128");
}

Image make_threshold(const CLI::App& app, const MaskOptions& o) {
  return threshold_mask(load_one_mask(app, o), o.level);
}

void add_overlay(CLI::App& app, MaskOptions& o) {
  add_mask_image(app, o, "the picture");
  add_texts(app, "--mask", o.masks, "MASK", "the mask; - is standard input");
  add_color(app, o, "what lies over the white of the mask; not given, red");
  add_real(app, "--opacity", o.opacity, 0, 1, "of it")->default_str("0.5");
}

Image make_overlay(const CLI::App& app, const MaskOptions& o) {
  need(app, o.image, "IMAGE");
  const auto color =
      o.color.empty() ? std::array<uint8_t, 3>{255, 0, 0} : parse_color(app, o.color);
  const Image mask = load_one_mask(app, o);
  return overlay_mask(load_image(o.image), mask, color, o.opacity);
}

constexpr MaskCommand kRows[] = {
    {"union", "white where any mask is", add_several, make_union},
    {"intersect", "white where all masks are", add_several, make_intersect},
    {"subtract", "the first mask without the others", add_several, make_subtract},
    {"invert", "black for white", add_one, make_inverse},
    {"grow", "white spreads", add_spread, make_grown},
    {"shrink", "black spreads", add_spread, make_shrunk},
    {"feather", "edges fade", add_feather, make_feathered},
    {"fill", "holes turn white", add_one, make_filled},
    {"largest", "only the largest regions stay", add_largest, make_largest},
    {"smooth", "the outline is rounded", add_smooth, make_smooth},
    {"threshold", "black or white, nothing between", add_threshold, make_threshold},
    {"convert", "the same mask in another form (--as)", add_one, make_same},
    {"overlay", "a preview: colour over what is white", add_overlay, make_overlay,
     /*is_mask=*/false},
};

}  // namespace

std::span<const MaskCommand> mask_changes() {
  return kRows;
}

}  // namespace dedit::cli

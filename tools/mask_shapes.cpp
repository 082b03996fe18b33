// dedit mask box, ellipse, polygon, brush.
#include "mask_commands.h"
#include "values.h"

namespace dedit::cli {
namespace {

void add_canvas(CLI::App& app, MaskOptions& o) {
  add_text(app, "image,--image", o.image, "IMAGE",
           "a picture of the mask's size; - is standard input");
  add_text(app, "--size", o.size, "WxH", "the mask's size, instead of a picture");
}

/// Width and height, from --size or from the picture.
std::pair<int, int> canvas_size(const CLI::App& app, const MaskOptions& o) {
  if (o.image.empty() == o.size.empty()) {
    fail_usage(app, "exactly one of IMAGE and --size WxH is needed");
  }
  if (!o.size.empty()) {
    const std::vector<int> size = parse_ints(app, "--size", o.size, 'x', 2, "WxH");
    return {size[0], size[1]};
  }
  const Image image = load_image(o.image);
  return {image.width, image.height};
}

void add_box(CLI::App& app, MaskOptions& o) {
  add_canvas(app, o);
  add_text(app, "--xywh", o.xywh, "X,Y,W,H",
           "left, top, width and height of the rectangle in pixels");
  add_int(app, "--feather", o.feather, 0, Image::kMaxSide,
          "pixels over which the edge fades, inward")
      ->default_str("0");
}

Image make_box(const CLI::App& app, const MaskOptions& o) {
  need(app, o.xywh, "--xywh X,Y,W,H");
  const std::vector<int> box = parse_ints(app, "--xywh", o.xywh, ',', 4, "X,Y,W,H");
  const auto [width, height] = canvas_size(app, o);
  return box_mask(width, height, box[0], box[1], box[2], box[3], o.feather);
}

void add_ellipse(CLI::App& app, MaskOptions& o) {
  add_canvas(app, o);
  add_text(app, "--xywh", o.xywh, "X,Y,W,H", "the box around it before it is turned, in pixels");
  add_real(app, "--angle", o.angle, -360, 360, "degrees to turn it by, clockwise")
      ->default_str("0");
}

Image make_ellipse(const CLI::App& app, const MaskOptions& o) {
  need(app, o.xywh, "--xywh X,Y,W,H");
  const std::vector<double> box = parse_reals(app, "--xywh", o.xywh, 4, "X,Y,W,H");
  const auto [width, height] = canvas_size(app, o);
  return ellipse_mask(width, height, {box[0], box[1], box[2], box[3]}, o.angle);
}

void add_polygon(CLI::App& app, MaskOptions& o) {
  add_canvas(app, o);
  add_text(app, "--points", o.points, "FILE",
           "JSON [[x, y], ...], or a list of polygons, COCO's too; - is standard input");
}

Image make_polygon(const CLI::App& app, const MaskOptions& o) {
  need(app, o.points, "--points FILE");
  const auto polygons = load_polygons(o.points);
  const auto [width, height] = canvas_size(app, o);
  return polygon_mask(width, height, polygons);
}

void add_brush(CLI::App& app, MaskOptions& o) {
  add_canvas(app, o);
  add_text(
      app, "--strokes", o.strokes, "FILE",
      "JSON [{\"points\": [[x, y], ...], \"radius\": 8, \"erase\": false}, ...]; - is standard "
      "input");
}

Image make_brush(const CLI::App& app, const MaskOptions& o) {
  need(app, o.strokes, "--strokes FILE");
  const auto strokes = load_strokes(o.strokes);
  const auto [width, height] = canvas_size(app, o);
  return brush_mask(width, height, strokes);
}

constexpr MaskCommand kRows[] = {
    {"box", "white inside a rectangle, black outside", add_box, make_box},
    {"ellipse", "white inside an ellipse", add_ellipse, make_ellipse},
    {"polygon", "white inside polygons", add_polygon, make_polygon},
    {"brush", "white along round brush strokes", add_brush, make_brush},
};

}  // namespace

std::span<const MaskCommand> mask_shapes() {
  return kRows;
}

}  // namespace dedit::cli

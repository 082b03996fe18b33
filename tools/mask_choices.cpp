// dedit mask color, luminance, alpha, flood, grabcut, faces, difference.
#include "mask_commands.h"
#include "values.h"

namespace dedit::cli {
namespace {

Image load_picture(const CLI::App& app, const MaskOptions& o) {
  need(app, o.image, "IMAGE");
  return load_image(o.image);
}

void add_picture(CLI::App& app, MaskOptions& o) {
  add_mask_image(app, o, "the picture to choose from");
}

void add_color_range(CLI::App& app, MaskOptions& o) {
  add_picture(app, o);
  add_color(app, o, "choose what is like it, by --distance");
  add_real(app, "--distance", o.distance, 0, 300, "from --color, in CIE Lab (1976)")
      ->default_str("20");
  add_choice(app, "--space", o.space, {"hsv", "lab"},
             "of --low and --high: H 0..360, S and V 0..100; or L 0..100, a and b -128..127");
  add_text(app, "--low", o.low, "A,B,C", "least of each component, instead of --color");
  add_text(app, "--high", o.high, "A,B,C",
           "most of each component; a hue below that of --low goes round by 360");
}

Image make_color(const CLI::App& app, const MaskOptions& o) {
  const bool has_range = !o.low.empty() || !o.high.empty();
  if (o.color.empty() == !has_range) {
    fail_usage(app, "either --color or --low and --high are needed");
  }
  if (!has_range) {
    const auto color = parse_color(app, o.color);
    return near_colour_mask(load_picture(app, o), color, o.distance);
  }
  need(app, o.low, "--low A,B,C");
  need(app, o.high, "--high A,B,C");
  const std::vector<double> low = parse_reals(app, "--low", o.low, 3, "A,B,C");
  const std::vector<double> high = parse_reals(app, "--high", o.high, 3, "A,B,C");
  const bool is_lab = o.space == "lab";
  for (size_t c = is_lab ? 0 : 1; c < 3; ++c) {
    if (low[c] <= high[c]) continue;
    fail_usage(app, "--low " + number_text(low[c]) + " is above --high " + number_text(high[c]) +
                        " in component " + std::to_string(c + 1));
  }
  return colour_mask(load_picture(app, o), is_lab ? ColourSpace::kLab : ColourSpace::kHsv,
                     {low[0], low[1], low[2]}, {high[0], high[1], high[2]});
}

void add_luminance(CLI::App& app, MaskOptions& o) {
  add_picture(app, o);
  add_text(app, "--low", o.low, "NUMBER", "least luma (Rec. 601), 0..255; not given: 0");
  add_text(app, "--high", o.high, "NUMBER", "most luma; not given: 255");
}

Image make_luminance(const CLI::App& app, const MaskOptions& o) {
  const double low = o.low.empty() ? 0 : parse_real(app, "--low", o.low);
  const double high = o.high.empty() ? 255 : parse_real(app, "--high", o.high);
  if (o.low.empty() && o.high.empty()) fail_usage(app, "--low or --high is needed");
  check_range(app, "--low", low, 0, 255);
  check_range(app, "--high", high, 0, 255);
  if (low > high) {
    fail_usage(app, "--low " + number_text(low) + " is above --high " + number_text(high));
  }
  return luminance_mask(load_picture(app, o), low, high);
}

Image make_alpha(const CLI::App& app, const MaskOptions& o) {
  return alpha_mask(load_picture(app, o));
}

void add_flood(CLI::App& app, MaskOptions& o) {
  add_picture(app, o);
  add_text(app, "--at", o.at, "X,Y", "the pixel to start from");
  add_int(app, "--tolerance", o.tolerance, 0, 255, "difference of each channel to that pixel")
      ->default_str("10");
}

Image make_flood(const CLI::App& app, const MaskOptions& o) {
  need(app, o.at, "--at X,Y");
  const std::vector<int> at = parse_ints(app, "--at", o.at, ',', 2, "X,Y");
  return flood_mask(load_picture(app, o), at[0], at[1], o.tolerance);
}

void add_grabcut(CLI::App& app, MaskOptions& o) {
  add_picture(app, o);
  add_text(app, "--xywh", o.xywh, "X,Y,W,H", "a box around the thing");
  add_text(app, "--strokes", o.strokes, "FILE",
           "or strokes on it as dedit mask brush takes them, with \"erase\": true beside it");
  add_int(app, "--rounds", o.rounds, 1, 50, "of estimating colours and cutting")->default_str("5");
}

Image make_grabcut(const CLI::App& app, const MaskOptions& o) {
  if (o.xywh.empty() == o.strokes.empty()) {
    fail_usage(app, "exactly one of --xywh and --strokes is needed");
  }
  if (!o.strokes.empty()) {
    const auto strokes = load_strokes(o.strokes);
    return grabcut_strokes_mask(load_picture(app, o), strokes, o.rounds);
  }
  const std::vector<int> box = parse_ints(app, "--xywh", o.xywh, ',', 4, "X,Y,W,H");
  return grabcut_box_mask(load_picture(app, o), box[0], box[1], box[2], box[3], o.rounds);
}

void add_faces(CLI::App& app, MaskOptions& o) {
  add_picture(app, o);
  add_real(app, "--grow", o.grow, 0.1, 10, "factor on the size of each ellipse")->default_str("1");
  add_text(app, "--cascade", o.cascade, "FILE",
           "OpenCV cascade; not given: the frontal faces of the opencv-data package");
}

Image make_faces(const CLI::App& app, const MaskOptions& o) {
  return faces_mask(load_picture(app, o), o.cascade, o.grow);
}

void add_difference(CLI::App& app, MaskOptions& o) {
  app.add_option("images", o.masks, "two pictures of one size; - is standard input")
      ->type_name("IMAGE");
  add_int(app, "--tolerance", o.tolerance, 0, 255, "levels by which a channel may differ")
      ->default_str("10");
}

Image make_difference(const CLI::App& app, const MaskOptions& o) {
  if (o.masks.size() != 2) {
    fail_usage(app, "two IMAGEs are needed, not " + std::to_string(o.masks.size()));
  }
  return difference_mask(load_image(o.masks[0]), load_image(o.masks[1]), o.tolerance);
}

constexpr MaskCommand kRows[] = {
    {"color", "what has a colour, or components in a range", add_color_range, make_color},
    {"luminance", "what is as bright as that", add_luminance, make_luminance},
    {"alpha", "what is opaque", add_picture, make_alpha},
    {"flood", "the region around a pixel that is like it", add_flood, make_flood},
    {"grabcut", "the thing in a box or under strokes", add_grabcut, make_grabcut},
    {"faces", "faces", add_faces, make_faces},
    {"difference", "where two pictures differ", add_difference, make_difference},
};

}  // namespace

std::span<const MaskCommand> mask_choices() {
  return kRows;
}

}  // namespace dedit::cli

#include "dedit/compare.h"

#include <cmath>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/error.h"
#include "dedit/mask.h"

namespace dedit::commands {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string a, b, mask, map, depth_a, depth_b;
  CompareOptions edges;
  double gain = 4, min_f1 = 0;
  bool is_json = false, keeps_outside = false;
  cli::OutputOptions output;
  cli::LogOptions log;
};

void check(const CLI::App& app, const Options& o) {
  if (o.a.empty() || o.b.empty()) cli::fail_usage(app, "two pictures are needed: A B");
  if (o.depth_a.empty() != o.depth_b.empty()) {
    cli::fail_usage(app, "--depth-a and --depth-b go together");
  }
  if (o.keeps_outside && o.mask.empty()) cli::fail_usage(app, "--same-outside needs --mask");
  cli::check_one_stdin({o.a, o.b, o.mask, o.map, o.depth_a, o.depth_b});
  if (o.output.path == "-") cli::fail_usage(app, "-o takes a file: figures go to standard output");
  if (!o.output.path.empty()) cli::check_picture_output(o.output);
}

Json json_of(const PixelDistance& d) {
  return {{"pixels", d.pixels},
          {"psnr", std::isinf(d.psnr) ? Json() : Json(d.psnr)},
          {"ssim", d.ssim},
          {"ciede2000_mean", d.delta_e},
          {"ciede2000_max", d.delta_e_most}};
}

Json json_of(const Comparison& c, const Options& o) {
  Json j = {{"width", c.width}, {"height", c.height}, {"all", json_of(c.all)}};
  if (c.inside) j["inside"] = json_of(*c.inside);
  if (c.outside) j["outside"] = json_of(*c.outside);
  j["changed_pixels"] = c.changed;
  if (!o.mask.empty()) j["changed_pixels_outside"] = c.changed_outside;
  j["edges"] = {
      {"tolerance_px", o.edges.tolerance}, {"asked", c.edges.asked},   {"found", c.edges.found},
      {"precision", c.edges.precision},    {"recall", c.edges.recall}, {"f1", c.edges.f1}};
  if (c.depth_correlation) j["depth_rank_correlation"] = *c.depth_correlation;
  return j;
}

std::string line_of(const char* where, const PixelDistance& d) {
  char text[160];
  std::snprintf(text, sizeof text,
                "%-9s %10lld pixels  PSNR %6.2f dB  SSIM %.4f  CIEDE2000 mean %.3f, max %.2f\n",
                where, static_cast<long long>(d.pixels), d.psnr, d.ssim, d.delta_e, d.delta_e_most);
  return text;
}

std::string text_of(const Comparison& c, const Options& o) {
  std::string out = line_of("all", c.all);
  if (c.inside) out += line_of("inside", *c.inside);
  if (c.outside) out += line_of("outside", *c.outside);
  out += "changed   " + cli::count_text(size_t(c.changed), "pixel");
  if (!o.mask.empty()) out += ", " + std::to_string(c.changed_outside) + " outside the mask";
  char text[160];
  std::snprintf(text, sizeof text,
                "\nedges     precision %.3f  recall %.3f  F1 %.3f  (within %d px; %lld asked, %lld "
                "found)\n",
                c.edges.precision, c.edges.recall, c.edges.f1, o.edges.tolerance,
                static_cast<long long>(c.edges.asked), static_cast<long long>(c.edges.found));
  out += text;
  if (c.depth_correlation) {
    std::snprintf(text, sizeof text, "depth     rank correlation %.4f\n", *c.depth_correlation);
    out += text;
  }
  return out;
}

void check_bounds(const Comparison& c, const Options& o) {
  if (c.edges.f1 < o.min_f1) {
    throw Error(ErrorKind::kFidelity, "edge F1 " + cli::number_text(c.edges.f1) +
                                          " is below --min-edge-f1 " + cli::number_text(o.min_f1));
  }
  if (o.keeps_outside && c.changed_outside > 0) {
    throw Error(ErrorKind::kFidelity,
                cli::count_text(size_t(c.changed_outside), "pixel") + " changed outside the mask");
  }
}

void run(const CLI::App& app, const Options& o) {
  check(app, o);
  const Image a = load_image(o.a);
  const Image b = load_image(o.b);
  CompareOptions options = o.edges;
  if (!o.mask.empty()) options.mask = load_mask(o.mask);
  if (!o.map.empty()) options.edges = load_image(o.map);
  if (!o.depth_a.empty()) {
    options.depth_a = load_image(o.depth_a);
    options.depth_b = load_image(o.depth_b);
  }
  const Comparison c = compare_pictures(a, b, options);
  if (!o.output.path.empty()) cli::write_picture(difference_picture(a, b, o.gain), o.output);
  cli::print(o.is_json ? json_of(c, o).dump(2) + "\n" : text_of(c, o));
  check_bounds(c, o);
}

void add(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.option_defaults()->group("Pictures");
  cli::add_text(app, "a", o->a, "A", "the picture that was to be kept; - is standard input");
  cli::add_text(app, "b", o->b, "B", "the picture made from it");
  cli::add_text(app, "--mask", o->mask, "FILE", "also measure where it is black, and where not");
  app.add_flag("--json", o->is_json, "figures as JSON");
  app.option_defaults()->group("Edges");
  cli::add_text(app, "--map", o->map, "FILE",
                "the map that was asked for, white on black; not "
                "given: A's own edges");
  cli::add_real(app, "--low", o->edges.low, 0, 1020, "lower threshold of Canny")
      ->default_str("100");
  cli::add_real(app, "--high", o->edges.high, 0, 1020, "upper threshold of Canny")
      ->default_str("200");
  cli::add_int(app, "--tolerance", o->edges.tolerance, 0, 100, "pixels by which an edge may be off")
      ->default_str("2");
  app.option_defaults()->group("Depth");
  cli::add_text(app, "--depth-a", o->depth_a, "FILE", "depth map of A");
  cli::add_text(app, "--depth-b", o->depth_b, "FILE", "depth map of B: is the order the same?");
  app.option_defaults()->group("Bounds (exit code 7 if they do not hold)");
  cli::add_real(app, "--min-edge-f1", o->min_f1, 0, 1, "least F1 of the edges")->default_str("0");
  app.add_flag("--same-outside", o->keeps_outside, "no pixel outside the mask may differ");
  cli::add_output_options(app, o->output, "a picture of the differences");
  cli::add_real(app, "--gain", o->gain, 0, 255, "factor on the differences shown")
      ->default_str("4");
  cli::add_log_options(app, o->log, /*with_progress=*/false);
  app.callback([&app, o] { run(app, *o); });
}

}  // namespace

extern const Command compare;
const Command compare = {
    .name = "compare",
    .summary = "measure how well a picture keeps another",
    .group = CommandGroup::kLook,
    .add = add,
};

}  // namespace dedit::commands

// The kinds of `dedit mask`: rows of tables, so that each is its options and one call.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "log.h"
#include "streams.h"

#include "dedit/mask.h"

namespace dedit::cli {

/// Options of all kinds; each kind has some of them.
struct MaskOptions {
  std::string image, size;         ///< what the mask is made on
  std::vector<std::string> masks;  ///< what it is made of
  std::string xywh, points, strokes, at, color, low, high, cascade;
  std::string space = "hsv", brush = "disc", side = "in";
  double angle = 0, distance = 20, grow = 1, opacity = 0.5;
  int feather = 0, tolerance = 10, radius = 8, rounds = 5, count = 1, level = 128;
  std::string form;  ///< "grey", "alpha", "json"; empty: by the output's name
  OutputOptions output;
  LogOptions log;
};

/// A row: its options, and the mask (or preview) they make. Early checks may throw Error(kUsage).
struct MaskCommand {
  const char* name;
  const char* summary;
  void (*add)(CLI::App&, MaskOptions&);
  Image (*make)(const CLI::App&, const MaskOptions&);
  bool is_mask = true;  ///< false: a picture, for overlay
};

std::span<const MaskCommand> mask_shapes();
std::span<const MaskCommand> mask_choices();
std::span<const MaskCommand> mask_changes();

/// Adds the rows to `parent` under a heading.
void add_mask_commands(CLI::App& parent, const char* heading, std::span<const MaskCommand> rows);

// --- what rows share -----------------------------------------------------------------------------

/// IMAGE, which must be given.
void add_mask_image(CLI::App& app, MaskOptions& o, const std::string& help);
/// MASK or MASKs, which must be given.
void add_masks(CLI::App& app, MaskOptions& o, const std::string& help);
/// --color
void add_color(CLI::App& app, MaskOptions& o, const std::string& help);

/// Throws Error(kUsage) unless `value` was given.
void need(const CLI::App& app, const std::string& value, const std::string& what);

/// Numbers between commas.
std::vector<double> parse_reals(const CLI::App& app, const std::string& option,
                                const std::string& text, size_t count, const std::string& form);
/// #rrggbb or R,G,B.
std::array<uint8_t, 3> parse_color(const CLI::App& app, const std::string& text);

/// The one MASK of a row that takes one.
Image load_one_mask(const CLI::App& app, const MaskOptions& o);

}  // namespace dedit::cli

#include "mask_commands.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include <spdlog/spdlog.h>

#include "values.h"

namespace dedit::cli {
namespace {

/// How the result is written: as asked, else by the name.
std::string form_of(const MaskOptions& o, bool is_mask) {
  if (!o.form.empty()) return o.form;
  return is_mask && std::filesystem::path(o.output.path).extension() == ".json" ? "json" : "grey";
}

void check_output(const CLI::App& app, const MaskOptions& o, bool is_mask) {
  need(app, o.output.path, "-o FILE");
  if (form_of(o, is_mask) != "json") {
    check_picture_output(o.output);
  } else if (o.output.path != "-") {
    check_writable(o.output.path, o.output.no_clobber);
  }
}

void write(const Image& made, const MaskOptions& o, bool is_mask) {
  const std::string form = form_of(o, is_mask);
  if (form == "json" && o.output.path == "-") {
    print(mask_to_json(made));
  } else if (form == "json") {
    save_mask_json(made, o.output.path, {.no_clobber = o.output.no_clobber});
  } else {
    write_picture(form == "alpha" ? mask_to_alpha(made) : made, o.output);
  }
  char share[32] = "";
  if (is_mask) std::snprintf(share, sizeof share, ", %.1f %%", mask_coverage(made) * 100);
  spdlog::info("wrote {}: {}x{}, {}{}", o.output.path == "-" ? "standard output" : o.output.path,
               made.width, made.height, is_mask ? "a mask" : "a preview", share);
}

void run(const CLI::App& app, const MaskCommand& row, const MaskOptions& o) {
  std::vector<std::string> inputs = o.masks;
  inputs.insert(inputs.end(), {o.image, o.points, o.strokes});
  check_one_stdin(inputs);
  check_output(app, o, row.is_mask);
  const Image made = row.make(app, o);
  if (row.is_mask) {
    const double share = mask_coverage(made);
    if (share == 0) warn("the mask is black: nothing would be repainted");
    if (share == 1) warn("the mask has no black pixel: everything would be repainted");
  }
  write(made, o, row.is_mask);
}

void add_row(CLI::App& parent, const char* heading, const MaskCommand& row) {
  CLI::App& app = *parent.add_subcommand(row.name, row.summary);
  app.group(heading);
  auto options = std::make_shared<MaskOptions>();
  app.option_defaults()->group(row.is_mask ? "Mask" : "Preview");
  row.add(app, *options);
  add_output_options(app, options->output, row.is_mask ? "the mask" : "the picture");
  if (row.is_mask) {
    add_choice(app, "--as", options->form, {"grey", "alpha", "json"},
               "a grey picture, white with the mask as alpha, or COCO run lengths; not given: json "
               "if FILE ends in .json, else grey");
  }
  add_log_options(app, options->log, /*with_progress=*/false);
  app.callback([&app, &row, options] { run(app, row, *options); });
}

}  // namespace

void add_mask_commands(CLI::App& parent, const char* heading, std::span<const MaskCommand> rows) {
  for (const MaskCommand& row : rows) add_row(parent, heading, row);
}

void add_mask_image(CLI::App& app, MaskOptions& o, const std::string& help) {
  add_text(app, "image,--image", o.image, "IMAGE", help + "; - is standard input");
}

void add_masks(CLI::App& app, MaskOptions& o, const std::string& help) {
  app.add_option("masks", o.masks, help + "; pictures or run lengths in JSON; - is standard input")
      ->type_name("MASK");
}

void add_color(CLI::App& app, MaskOptions& o, const std::string& help) {
  add_text(app, "--color", o.color, "COLOR", help + ": #rrggbb or R,G,B");
}

void need(const CLI::App& app, const std::string& value, const std::string& what) {
  if (value.empty()) fail_usage(app, what + " is missing");
}

std::vector<double> parse_reals(const CLI::App& app, const std::string& option,
                                const std::string& text, size_t count, const std::string& form) {
  std::vector<double> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(parse_real(app, option, text.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (values.size() != count) {
    fail_usage(app, option + " '" + text + "' does not have the form " + form);
  }
  return values;
}

std::array<uint8_t, 3> parse_color(const CLI::App& app, const std::string& text) {
  const std::string form = "#rrggbb or R,G,B with 0..255";
  std::array<uint8_t, 3> color = {};
  if (text.starts_with('#')) {
    const bool is_hex = text.size() == 7 &&
                        text.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string::npos;
    if (!is_hex) fail_usage(app, "--color '" + text + "' does not have the form " + form);
    for (size_t c = 0; c < 3; ++c) {
      color[c] = uint8_t(std::stoi(text.substr(1 + 2 * c, 2), nullptr, 16));
    }
    return color;
  }
  const std::vector<int> values = parse_ints(app, "--color", text, ',', 3, form);
  for (size_t c = 0; c < 3; ++c) {
    check_range(app, "--color", values[c], 0, 255);
    color[c] = uint8_t(values[c]);
  }
  return color;
}

Image load_one_mask(const CLI::App& app, const MaskOptions& o) {
  if (o.masks.size() != 1) {
    fail_usage(app, "exactly one MASK is needed, not " + std::to_string(o.masks.size()));
  }
  return load_mask(o.masks.front());
}

}  // namespace dedit::cli

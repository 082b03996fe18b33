#include <memory>
#include <string>
#include <vector>

#include <spdlog/spdlog.h>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/info.h"

namespace dedit::commands {
namespace {

struct Options {
  std::string image, size, xywh;
  int feather = 0;
  cli::OutputOptions output;
  cli::LogOptions log;
};

/// Width and height, from --size or from the picture.
std::vector<int> picture_size(const CLI::App& app, const Options& options) {
  if (!options.size.empty()) return cli::parse_ints(app, "--size", options.size, 'x', 2, "WxH");
  const Image image = load_image(options.image);
  return {image.width, image.height};
}

void run_box(const CLI::App& app, const Options& options) {
  if (options.image.empty() == options.size.empty()) {
    cli::fail_usage(app, "exactly one of IMAGE and --size WxH is needed");
  }
  if (options.xywh.empty()) cli::fail_usage(app, "--xywh X,Y,W,H is missing");
  if (options.output.path.empty()) cli::fail_usage(app, "-o FILE is missing");
  const std::vector<int> box = cli::parse_ints(app, "--xywh", options.xywh, ',', 4, "X,Y,W,H");
  cli::check_picture_output(options.output);
  const std::vector<int> size = picture_size(app, options);
  const Image mask =
      dedit::box_mask(size[0], size[1], box[0], box[1], box[2], box[3], options.feather);
  cli::write_picture(mask, options.output);
  spdlog::info("wrote {}: {}x{}, a mask",
               options.output.path == "-" ? "standard output" : options.output.path, mask.width,
               mask.height);
}

void add(CLI::App& app) {
  CLI::App& box = *app.add_subcommand("box", "white inside a rectangle, black outside");
  box.group("Shapes");
  auto options = std::make_shared<Options>();
  box.option_defaults()->group("Mask");
  cli::add_text(box, "image,--image", options->image, "IMAGE",
                "a picture of the mask's size; - is standard input");
  cli::add_text(box, "--size", options->size, "WxH", "the mask's size, instead of a picture");
  cli::add_text(box, "--xywh", options->xywh, "X,Y,W,H",
                "left, top, width and height of the rectangle in pixels");
  cli::add_int(box, "--feather", options->feather, 0, Image::kMaxSide,
               "pixels over which the edge fades, inward")
      ->default_str("0");
  cli::add_output_options(box, options->output, "the mask");
  cli::add_log_options(box, options->log, /*with_progress=*/false);
  box.callback([&box, options] { run_box(box, *options); });
}

}  // namespace

extern const Command mask;
const Command mask = {
    .name = "mask",
    .summary = "make a mask: white is repainted, black kept",
    .group = CommandGroup::kPrepare,
    .add = add,
};

}  // namespace dedit::commands

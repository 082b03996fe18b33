#include <chrono>
#include <memory>
#include <string>

#include <spdlog/spdlog.h>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/image.h"
#include "dedit/model.h"
#include "dedit/tensor_value.h"

namespace dedit::commands {
namespace {

struct Options {
  std::string image, model, dtype, device, output;
  bool low_memory = false;
  int threads = 0;
  int vae_tile = 0;
  bool no_clobber = false;
  cli::LogOptions log;
};

void run(const CLI::App& app, const Options& options) {
  if (options.image.empty()) cli::fail_usage(app, "IMAGE is missing");
  if (options.output.empty()) cli::fail_usage(app, "-o FILE is missing");
  cli::check_writable(options.output, options.no_clobber);
  const Image image = load_image(options.image);
  SessionOptions session_options;
  session_options.threads = options.threads;
  Session session(Model::load(options.model, {.dtype = options.dtype,
                                              .device = options.device,
                                              .low_memory = options.low_memory}),
                  session_options);
  const auto begin = std::chrono::steady_clock::now();
  const TensorValue latents = session.encode(image, options.vae_tile);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  spdlog::debug("{:.2f} s to encode", spent.count());
  save_tensors(options.output, {{"latents", latents}});
  spdlog::info("wrote {}: latents of {}x{}", options.output, image.width, image.height);
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("Encode");
  cli::add_text(app, "image,--image", options->image, "FILE", "the picture; - is standard input");
  cli::add_text(app, "--model", options->model, "PATH",
                "whose autoencoder; not given: the model that ships");
  cli::add_choice(app, "--dtype", options->dtype, {"f32", "bf16", "f16"},
                  "arithmetic; not given: the fastest as precise as bf16; f16 needs a GPU");
  cli::add_device(app, options->device);
  cli::add_low_memory(app, options->low_memory);
  cli::add_int(app, "--threads", options->threads, 1, 1024, "not given: all cores");
  cli::add_vae_tile(app, options->vae_tile);
  cli::add_text(app, "-o,--output", options->output, "FILE",
                "the latents (mean of the posterior, times the model's scale), safetensors");
  app.add_flag("--no-clobber", options->no_clobber, "refuse to replace a file");
  app.footer(
      "Sides that are no multiple of the autoencoder's factor (8) are continued by their last "
      "pixels.");
  cli::add_log_options(app, options->log, /*with_progress=*/false);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command encode;
const Command encode = {
    .name = "encode",
    .summary = "save the latents of a picture",
    .group = CommandGroup::kPrepare,
    .add = add,
};

}  // namespace dedit::commands

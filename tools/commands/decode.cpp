#include <chrono>
#include <memory>
#include <string>

#include <spdlog/spdlog.h>

#include "command.h"
#include "log.h"
#include "streams.h"
#include "values.h"

#include "dedit/error.h"
#include "dedit/model.h"
#include "dedit/tensor_value.h"

namespace dedit::commands {
namespace {

struct Options {
  std::string latents, model, dtype, device;
  bool low_memory = false;
  int threads = 0;
  int vae_tile = 0;
  cli::OutputOptions output;
  cli::LogOptions log;
};

void run(const CLI::App& app, const Options& options) {
  if (options.latents.empty()) cli::fail_usage(app, "LATENTS is missing");
  if (options.output.path.empty()) cli::fail_usage(app, "-o FILE is missing");
  cli::check_picture_output(options.output);
  const TensorValue latents = load_tensor(options.latents, "latents");
  SessionOptions session_options;
  session_options.threads = options.threads;
  Session session(Model::load(options.model, {.dtype = options.dtype,
                                              .device = options.device,
                                              .low_memory = options.low_memory}),
                  session_options);
  const auto begin = std::chrono::steady_clock::now();
  const Image picture = session.decode(latents, options.vae_tile);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  spdlog::debug("{:.2f} s to decode", spent.count());
  cli::write_picture(picture, options.output);
  spdlog::info("wrote {}: {}x{}",
               options.output.path == "-" ? "standard output" : options.output.path, picture.width,
               picture.height);
}

void add(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.option_defaults()->group("Decode");
  cli::add_text(app, "latents,--latents", options->latents, "FILE",
                "what --save-latents wrote; of a batch, the first is decoded");
  cli::add_text(app, "--model", options->model, "PATH",
                "whose autoencoder; not given: the model that ships");
  cli::add_choice(app, "--dtype", options->dtype, {"f32", "bf16", "f16"},
                  "arithmetic; not given: the fastest as precise as bf16; f16 needs a GPU");
  cli::add_device(app, options->device);
  cli::add_low_memory(app, options->low_memory);
  cli::add_int(app, "--threads", options->threads, 1, 1024, "not given: all cores");
  cli::add_vae_tile(app, options->vae_tile);
  cli::add_output_options(app, options->output, "the picture");
  cli::add_log_options(app, options->log, /*with_progress=*/false);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace

extern const Command decode;
const Command decode = {
    .name = "decode",
    .summary = "make the picture of saved latents",
    .group = CommandGroup::kPrepare,
    .add = add,
};

}  // namespace dedit::commands

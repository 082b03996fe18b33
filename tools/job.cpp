#include "job.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>

#include <spdlog/spdlog.h>

#include "control_text.h"
#include "interrupt.h"
#include "job_controls.h"
#include "values.h"

#include "dedit/error.h"
#include "dedit/info.h"
#include "dedit/lint.h"
#include "dedit/mask.h"
#include "dedit/model.h"
#include "dedit/tensor_value.h"

namespace dedit::cli {
namespace {

namespace fs = std::filesystem;

/// The seed that tells picture i from the others of its batch.
uint64_t own_seed(const JobOptions& options, int i) {
  return (options.variation_strength > 0 ? options.variation_seed : options.seed) + uint64_t(i);
}

/// Where the picture of `seed` goes: {seed} replaced, else -SEED before the extension if there are
/// several.
std::string picture_path(const JobOptions& options, uint64_t seed) {
  std::string path = options.output.path;
  const std::string digits = std::to_string(seed);
  constexpr std::string_view kField = "{seed}";
  if (const size_t at = path.find(kField); at != std::string::npos) {
    return path.replace(at, kField.size(), digits);
  }
  if (options.batch == 1) return path;
  const fs::path whole(path);
  return (whole.parent_path() / whole.stem()).string() + "-" + digits + whole.extension().string();
}

/// Two outputs to one file would leave only the second.
void check_distinct(const CLI::App& app, const JobOptions& options, const std::string& map) {
  std::map<fs::path, std::string> taken;
  const auto take = [&](const std::string& path, const std::string& option) {
    if (path.empty() || path == "-") return;
    std::error_code ignored;
    const auto [other, is_new] =
        taken.emplace(fs::weakly_canonical(fs::absolute(path), ignored), option);
    if (!is_new) fail_usage(app, option + " and " + other->second + " both name " + path);
  };
  for (int i = 0; i < options.batch; ++i) {
    const std::string path = picture_path(options, own_seed(options, i));
    take(path, options.batch == 1 ? "-o" : "-o (picture " + std::to_string(i + 1) + ")");
  }
  take(options.save_latents, "--save-latents");
  take(options.trace, "--trace");
  take(map, "--save-map");
}

void check_outputs(const CLI::App& app, const JobOptions& options) {
  if (options.output.path.empty()) fail_usage(app, "-o FILE is missing");
  if (options.output.path == "-" && options.batch > 1) {
    fail_usage(app,
               "-o - holds one picture, but --batch asks for " + std::to_string(options.batch));
  }
  const uint64_t first = own_seed(options, 0);
  if (first > std::numeric_limits<uint64_t>::max() - uint64_t(options.batch - 1)) {
    fail_usage(app, (options.variation_strength > 0 ? "--variation-seed " : "--seed ") +
                        std::to_string(first) + " leaves no room for --batch " +
                        std::to_string(options.batch));
  }
  for (int i = 0; i < options.batch; ++i) {
    OutputOptions output = options.output;
    output.path = picture_path(options, own_seed(options, i));
    check_picture_output(output);
  }
  for (const std::string& path : {options.save_latents, options.trace}) {
    if (!path.empty()) check_writable(path, options.output.no_clobber);
  }
}

Precision precision_of(const std::string& name) {
  if (name == "exact") return Precision::kExact;
  return name == "fast" ? Precision::kFast : Precision::kAuto;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", share * 100);
  return text;
}

void log_control(const ControlReport& control, size_t number, int n_calls) {
  spdlog::debug("control {}: map {}", number, control.geometry.text());
  if (control.n_calls == 0) {
    spdlog::debug("control {}: acted in none of {}", number,
                  count_text(size_t(n_calls), "network call"));
    return;
  }
  spdlog::debug("control {}: acted in {} of {} (from {} to {}), energy {:.4g}", number,
                control.n_calls, count_text(size_t(n_calls), "network call"), control.first_call,
                control.last_call, control.energy);
}

void log_report(const EditReport& report, bool has_mask) {
  for (const std::string& warning : report.warnings) warn(warning);
  spdlog::debug("{} from sigma {:.4g} at timestep {:.4g}",
                count_text(size_t(report.steps_run), "step"), report.first_sigma,
                report.first_timestep);
  spdlog::debug("{:.2f} s to prepare, {:.2f} s in steps, {:.2f} s to decode",
                report.prepare_seconds, report.sample_seconds, report.decode_seconds);
  if (report.geometry.width > 0) spdlog::debug("picture {}", report.geometry.text());
  for (size_t k = 0; k < report.controls.size(); ++k) {
    log_control(report.controls[k], k + 1, report.n_calls);
  }
  if (has_mask) {
    spdlog::debug("mask covers {}, {} pixels kept bit for bit", percent(report.mask_coverage),
                  report.kept_pixels);
  }
}

/// What a run leaves.
struct Outcome {
  EditResult result;
  std::map<std::string, TensorValue> trace;
  double seconds = 0;
};

Outcome run_session(const Model& model, const JobOptions& options, const EditRequest& request) {
  Outcome outcome;
  ProgressView view(options.log);
  SessionOptions session;
  session.threads = options.threads;
  session.cancel = &cancel_token();
  session.measure_controls = options.log.verbose || options.log.progress == "json";
  session.on_step = [&](const Progress& progress) { view.show(progress); };
  if (!options.trace.empty()) {
    session.on_trace = [&](const std::string& module, const TensorValue& value) {
      outcome.trace[module] = value;
    };
  }
  const auto begin = std::chrono::steady_clock::now();
  outcome.result = Session(model, std::move(session)).run(request);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return outcome;
}

void write_results(const JobOptions& options, const EditRequest& request, const Outcome& outcome,
                   const std::vector<size_t>& kept) {
  const EditResult& result = outcome.result;
  const bool has_mask = request.mask.has_value();
  for (const size_t i : kept) {
    cancel_token().check();
    const Image& image = result.images[i];
    OutputOptions output = options.output;
    output.path = picture_path(options, own_seed(options, int(i)));
    if (has_mask && output.path != "-" && is_lossy_format(output.path)) {
      warn(output.path + " is a lossy format, so kept pixels are not bit-exact; use .png");
    }
    write_picture(image, output);
    spdlog::info("wrote {}: {}x{}, {}, seed {}, {}{:.1f} s",
                 output.path == "-" ? "standard output" : output.path, image.width, image.height,
                 count_text(size_t(result.report.steps_run), "step"), request.seeds[i],
                 has_mask ? "mask " + percent(result.report.mask_coverage) + ", " : "",
                 outcome.seconds);
  }
}

}  // namespace

void check_job(const CLI::App& app, const JobOptions& options, const std::string& map) {
  check_outputs(app, options);
  check_distinct(app, options, map);
  check_controls(app, options.controls);
  if (!options.prompt.empty() && !options.prompt_file.empty()) {
    fail_usage(app, "--prompt and --prompt-file are both given");
  }
  for (const std::string& text : options.embeddings) parse_embedding(app, text);
  std::vector<std::string> inputs = control_inputs(app, options.controls);
  inputs.push_back(options.image);
  inputs.push_back(options.mask);
  inputs.push_back(options.prompt_file);
  check_one_stdin(inputs);
  const bool is_sized = options.width != 0 || options.height != 0;
  const bool keeps_size = !options.mask.empty() && options.compat != "diffusers";
  if (keeps_size && is_sized && options.fit.empty()) {
    fail_usage(app,
               "--width and --height do not go with --mask: the picture keeps its size; with --fit "
               "it is brought to the new one");
  }
  if (!options.crop.empty() && options.image.empty()) fail_usage(app, "--crop needs an --image");
}

EditRequest make_request(const JobOptions& options) {
  EditRequest request;
  request.prompt = options.prompt_file.empty() ? options.prompt : read_prompt(options.prompt_file);
  request.negative_prompt = options.negative_prompt;
  request.prompt_syntax = prompt_syntax_of(options.prompt_syntax);
  request.truncate = options.truncate;
  request.clip_skip = options.clip_skip;
  for (const std::string& text : options.embeddings) {
    const size_t at = text.find('=');
    request.embeddings.push_back({text.substr(0, at), load_embedding(text.substr(at + 1))});
  }
  request.mask_rule = options.mask_rule == "nearest" ? MaskRule::kNearest : MaskRule::kCover;
  const ScheduleRequest schedule = make_schedule_request(options.schedule, options.scheduler);
  request.steps = schedule.steps;
  request.guidance = options.guidance;
  request.guidance_schedule = options.guidance_schedule;
  request.guidance_rescale = options.guidance_rescale;
  request.pag_scale = options.pag_scale;
  request.pag_adaptive_scale = options.pag_adaptive_scale;
  request.compat = options.compat == "diffusers" ? Compat::kDiffusers
                   : options.compat == "webui"   ? Compat::kWebui
                   : options.compat == "comfy"   ? Compat::kComfy
                                                 : Compat::kOwn;
  request.scheduler = schedule.scheduler;
  request.spacing = schedule.spacing;
  request.sigmas = schedule.sigmas;
  request.prediction = schedule.prediction;
  request.scheduler_settings = schedule.settings;
  request.timesteps = schedule.timesteps;
  request.sigma_values = schedule.sigma_values;
  request.width = options.width;
  request.height = options.height;
  request.seeds.clear();
  const bool varies = options.variation_strength > 0;
  for (int i = 0; i < options.batch; ++i) {
    request.seeds.push_back(options.seed + (varies ? 0 : uint64_t(i)));
  }
  request.rng = options.rng == "philox" ? Rng::kPhilox : Rng::kTorchCpu;
  request.variation_strength = options.variation_strength;
  request.variation_seed = options.variation_seed;
  if (!options.image.empty()) {
    request.image = load_image(options.image);
    warn_input(lint_picture(*request.image), options.strict);
  }
  if (!options.mask.empty()) {
    request.mask = load_mask(options.mask);
    warn_input(lint_mask(*request.mask), options.strict);
    const Image& mask = *request.mask;
    const Image& image = request.image.value();
    if (mask.width != image.width || mask.height != image.height) {
      throw Error(ErrorKind::kUsage,
                  "mask " + options.mask + " is " + std::to_string(mask.width) + "x" +
                      std::to_string(mask.height) + ", but the picture is " +
                      std::to_string(image.width) + "x" + std::to_string(image.height),
                  "make the mask on the picture: dedit mask box PICTURE --xywh X,Y,W,H -o m.png");
    }
  }
  if (!options.crop.empty()) {
    const std::vector<int>& c = options.crop;
    request.crop = Rect{c[0], c[1], c[2], c[3]};
  }
  if (!options.fit.empty()) request.fit = fit_of("--fit", options.fit);
  request.normalize_controls = options.controls.normalizes;
  request.strength = options.strength.value_or(request.mask ? 1.0 : 0.8);
  request.vae_tile = options.vae_tile;
  if (!options.latents.empty()) request.latents = load_tensor(options.latents, "latents");
  return request;
}

void run_job(const JobOptions& options, const EditRequest& request, const Review& review) {
  warn_input(lint_controls(request), options.strict);
  const Model model = Model::load(options.model, {.precision = precision_of(options.precision),
                                                  .dtype = options.dtype,
                                                  .device = options.device,
                                                  .low_memory = options.low_memory});
  spdlog::debug("model {} ({}) on {} ({})", model.path(), model.family(), model.backend(),
                model.device_reason());
  spdlog::debug("arithmetic {}", model.dtype_reason());

  Outcome outcome;
  {
    const Cancellable until_saved;
    outcome = run_session(model, options, request);
    if (!options.trace.empty()) save_tensors(options.trace, outcome.trace);
    if (!options.save_latents.empty()) {
      save_tensors(options.save_latents, {{"latents", outcome.result.latents}});
    }
  }
  if (options.log.progress == "json") show_controls(outcome.result.report);
  log_report(outcome.result.report, request.mask.has_value());
  std::vector<size_t> kept(outcome.result.images.size());
  std::iota(kept.begin(), kept.end(), size_t{0});
  if (review) kept = review(outcome.result);
  write_results(options, request, outcome, kept);
  cancel_token().check();
}

}  // namespace dedit::cli

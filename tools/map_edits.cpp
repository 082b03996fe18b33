#include "map_edits.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/spdlog.h>

#include "job.h"
#include "job_controls.h"
#include "log.h"
#include "values.h"

#include "dedit/compare.h"
#include "dedit/control.h"
#include "dedit/error.h"
#include "dedit/info.h"

namespace dedit::cli {
namespace {

constexpr int kTolerance = 2;  ///< pixels by which a line of the map may be off

struct Options {
  AnnotatorInfo info;
  JobOptions job;
  ParamValues params;
  std::string save_map;
  int best_of = 1;
  double min_f1 = 0;
};

/// A choice whose name an option of the job has (--compat) follows it, where it knows the word and
/// --map-NAME is not given.
void share_choices(const CLI::App& app, Options& options) {
  for (const Param& param : options.info.params) {
    const std::string name(param.name);
    const CLI::Option* own = app.get_option_no_throw("--map-" + name);
    const CLI::Option* job = app.get_option_no_throw("--" + name);
    if (param.kind != ParamKind::kChoice || own == nullptr || !own->empty() || job->empty())
      continue;
    const auto found =
        std::find(param.choices.begin(), param.choices.end(), job->results().front());
    if (found == param.choices.end()) continue;
    options.params.numbers[name] = double(found - param.choices.begin());
  }
}

/// The control of the map that the request's picture makes.
ControlUnit make_unit(const Options& options, const EditRequest& request) {
  AnnotatedControl made = annotate_control(request, std::string(options.info.name),
                                           options.params.numbers, options.params.files);
  warn_input(made.warnings, options.job.strict);
  for (const std::string& note : made.notes) spdlog::info("{}", note);
  return std::move(made.unit);
}

/// A file parameter whose name an option of the job has (--mask) is that file.
void share_files(const CLI::App& app, Options& options) {
  for (const Param& param : options.info.params) {
    const std::string name(param.name);
    if (param.kind != ParamKind::kFile || options.params.files.contains(name)) continue;
    const CLI::Option* option = app.get_option_no_throw("--" + name);
    if (option == nullptr || option->empty()) continue;
    options.params.files[name] = option->results().front();
    if (options.params.files[name] == "-") {
      fail_usage(app, "--" + name + " is read twice here, so it cannot be standard input");
    }
  }
}

bool is_two_valued(const Image& map) {
  const auto is_pole = [](std::byte b) { return b == std::byte{0} || b == std::byte{255}; };
  return map.type == PixelType::kU8 && std::all_of(map.data.begin(), map.data.end(), is_pole);
}

/// How well the same annotator finds the map again in what was made of it; none for maps that are
/// not lines.
std::optional<EdgeAgreement> agreement(const Options& options, const Image& hint,
                                       const Image& image) {
  if (options.info.is_picture_optional || !is_two_valued(hint)) return {};
  if (hint.width != image.width || hint.height != image.height) return {};
  const Image again = dedit::annotate(std::string(options.info.name), image, options.params.numbers,
                                      options.params.files)
                          .map;
  return map_agreement(hint, again, kTolerance);
}

/// Says how well each picture keeps the map; with --best-of the index of the best, else all.
std::vector<size_t> review(const Options& options, const ControlUnit& unit,
                           const std::vector<uint64_t>& seeds, const EditResult& result,
                           double& best_f1) {
  std::vector<size_t> all;
  size_t best = 0;
  best_f1 = -1;
  for (size_t i = 0; i < result.images.size(); ++i) {
    all.push_back(i);
    const auto found = agreement(options, unit.hint, result.images[i]);
    if (!found) continue;
    spdlog::info("{} map kept: F1 {:.3f} (precision {:.3f}, recall {:.3f}) within {} px, seed {}",
                 options.info.name, found->f1, found->precision, found->recall, kTolerance,
                 seeds.at(i));
    if (found->f1 <= best_f1) continue;
    best_f1 = found->f1;
    best = i;
  }
  return options.best_of > 1 ? std::vector<size_t>{best} : all;
}

/// Whether pictures can be judged at all, before any is made.
void check_review(const CLI::App& app, const Options& options, const ControlUnit& unit) {
  if (options.best_of == 1 && options.min_f1 == 0) return;
  const std::string option = options.best_of > 1 ? "--best-of" : "--min-edge-f1";
  if (options.info.is_picture_optional || !is_two_valued(unit.hint)) {
    fail_usage(app, option + " needs a map of lines, black and white only");
  }
}

void check(const CLI::App& app, const Options& options) {
  const JobOptions& job = options.job;
  const bool needs_image = !options.info.is_picture_optional || !job.mask.empty() || job.strength;
  if (job.image.empty() && needs_image) fail_usage(app, "--image FILE is missing");
  check_job(app, job, options.save_map);
  if (options.best_of > 1 && job.batch > 1) fail_usage(app, "--best-of does not go with --batch");
  std::vector<std::string> inputs = {job.image};
  for (const auto& [name, path] : options.params.files) inputs.push_back(path);
  check_one_stdin(inputs);
  if (options.save_map == "-") fail_usage(app, "--save-map takes a file, not -");
  if (options.save_map.empty()) return;
  check_picture_output({.path = options.save_map, .no_clobber = job.output.no_clobber});
}

void run(const CLI::App& app, Options& options) {
  share_files(app, options);
  share_choices(app, options);
  check(app, options);
  EditRequest request = make_request(options.job);
  const ControlUnit unit = make_unit(options, request);
  request.controls = make_controls(app, options.job, request, unit);
  // Without strength or mask the picture gives its frame and map only.
  request.image_is_frame = request.image && !request.mask && !options.job.strength;
  if (!options.save_map.empty()) {
    write_picture(unit.hint, {.path = options.save_map});
    spdlog::info("wrote {}: the {} map", options.save_map, options.info.name);
  }
  check_review(app, options, unit);
  const bool varies = options.job.variation_strength > 0;  // then its own seeds count on
  for (int i = 1; i < options.best_of; ++i) {
    request.seeds.push_back(options.job.seed + (varies ? 0 : uint64_t(i)));
  }
  double best_f1 = -1;
  run_job(options.job, request, [&](const EditResult& result) {
    return review(options, unit, request.seeds, result, best_f1);
  });
  if (best_f1 >= options.min_f1 || options.min_f1 == 0) return;
  throw Error(
      ErrorKind::kFidelity,
      "edge F1 " + number_text(best_f1) + " is below --min-edge-f1 " + number_text(options.min_f1),
      "try --best-of, a larger --control-scale or another --seed");
}

void add_edit(CLI::App& root, const AnnotatorInfo& info) {
  const std::string name(info.name);
  CLI::App& app = *root.add_subcommand(name, std::string(info.summary));
  for (const std::string_view alias : info.aliases) app.alias(std::string(alias));
  auto options = std::make_shared<Options>();
  options->info = info;
  add_job_options(app, options->job, JobInputs::kAny);
  app.option_defaults()->group("Map (" + name + ")");
  add_params(app, info.params, options->params);
  add_text(app, "--save-map", options->save_map, "FILE", "also write the map");
  add_int(app, "--best-of", options->best_of, 1, 1000,
          "pictures to make, with seeds SEED, SEED+1 ...; the one that keeps the map best stays")
      ->default_str("1");
  add_real(app, "--min-edge-f1", options->min_f1, 0, 1,
           "exit code 7 if the best picture keeps the lines of the map worse")
      ->default_str("0");
  app.footer("A new picture under the " + name +
             " map of --image; with --strength an img2img of it, with --mask an\n"
             "inpaint of it. Without --control-model the model's own " +
             std::string(info.control) +
             " ControlNet is used; a control\nwithout a --control-image takes the map.");
  app.callback([&app, options] { run(app, *options); });
  app.group("Make a picture under a map of another (dedit annotate makes the map alone)");
}

}  // namespace

void add_map_edits(CLI::App& root) {
  for (const AnnotatorInfo& info : dedit::annotators()) {
    const auto is_same = [&](const CLI::App* command) { return command->get_name() == info.name; };
    if (root.get_subcommands(is_same).empty()) add_edit(root, info);
  }
}

}  // namespace dedit::cli

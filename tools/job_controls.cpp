#include "job_controls.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "control_text.h"
#include "log.h"
#include "values.h"

#include "dedit/control.h"
#include "dedit/error.h"
#include "dedit/info.h"
#include "dedit/lint.h"
#include "dedit/mask.h"

namespace dedit::cli {
namespace {

/// The number of controls; throws if a list is longer.
size_t count_controls(const CLI::App& app, const ControlOptions& o, size_t at_least) {
  const size_t n = std::max({o.models.size(), o.images.size(), at_least});
  const std::pair<const char*, size_t> lists[] = {{"--control-scale", o.scales.size()},
                                                  {"--control-start", o.starts.size()},
                                                  {"--control-end", o.ends.size()}};
  for (const auto& [name, size] : lists) {
    if (size > n) {
      fail_usage(app, std::string(name) + " is given for " + count_text(size, "control") +
                          ", but there are " + std::to_string(n));
    }
  }
  return n;
}

/// The name of an annotator from any of its names.
std::string known_kind(const std::string& kind) {
  std::vector<std::string> names;
  for (const AnnotatorInfo& info : dedit::annotators()) {
    const auto& others = info.aliases;
    if (info.name == kind || std::find(others.begin(), others.end(), kind) != others.end()) {
      return std::string(info.name);
    }
    names.emplace_back(info.name);
  }
  const std::string meant = nearest(kind, names);
  throw Error(ErrorKind::kUsage, "--control: no annotator is named '" + kind + "'",
              meant.empty() ? "see dedit annotate --help; a finished map is given by map=FILE"
                            : "did you mean " + meant);
}

/// Chooses how a control's own image comes to a result of another aspect, with a warning.
/// Diffusers' rule lays the map instead, of which lint_controls says so.
void fit_aspect(const JobOptions& job, const std::string& path, EditRequest& source) {
  const bool has_size = source.width > 0 && source.height > 0;
  if (source.fit || !has_size || source.compat == Compat::kDiffusers) return;
  const Size result{source.width, source.height};
  if (same_aspect({source.image->width, source.image->height}, result)) return;
  source.fit = source.compat == Compat::kWebui ? Fit::kStretch : Fit::kCrop;
  warn_input(lint_aspect(*source.image, "the picture " + path, result, *source.fit), job.strict);
}

/// The map that the control's kind makes of its own image or of the request's picture.
void annotate_unit(const JobOptions& job, const EditRequest& request, const ControlText& text,
                   ControlUnit& unit) {
  EditRequest source;
  source.compat = request.compat;
  source.width = request.width;
  source.height = request.height;
  source.crop = request.crop;
  source.fit = request.fit;
  if (text.image.empty()) {
    source.image = request.image;
  } else {
    source.image = load_image(text.image);
    source.crop.reset();
    if (unit.fit) source.fit = unit.fit;
    if (request.image) {
      const Size size = result_size(request, 0);
      source.width = size.width;
      source.height = size.height;
    }
    fit_aspect(job, text.image, source);
  }
  AnnotatedControl made =
      annotate_control(source, known_kind(text.kind), text.params.numbers, text.params.files);
  warn_input(made.warnings, job.strict);
  for (const std::string& note : made.notes) spdlog::info("{}", note);
  unit.hint = std::move(made.unit.hint);
  unit.is_fitted = made.unit.is_fitted && request.image.has_value();
  unit.annotator = made.unit.annotator;
  unit.params = std::move(made.unit.params);
  unit.files = std::move(made.unit.files);
  unit.hashes = std::move(made.unit.hashes);
}

/// Whether its kind can make a map without a picture.
bool needs_picture(const std::string& kind) {
  const std::string name = known_kind(kind);
  for (const AnnotatorInfo& info : dedit::annotators()) {
    if (info.name == name) return !info.is_picture_optional;
  }
  return true;
}

ControlUnit unit_of(const CLI::App& app, const JobOptions& job, const EditRequest& request,
                    const ControlText& text, const std::optional<ControlUnit>& made) {
  ControlUnit unit = text.unit;
  if (made && text.takes_map_of(made->annotator)) {
    unit.hint = made->hint;
    unit.is_fitted = made->is_fitted;
    unit.annotator = made->annotator;
    unit.params = made->params;
    unit.files = made->files;
    unit.hashes = made->hashes;
  } else if (!text.map.empty()) {
    unit.hint = load_image(text.map);
    warn_input(lint_map(unit.hint, text.map), job.strict);
  } else if (text.kind.empty()) {
    fail_usage(app, "--control has no map: give it map=FILE, or a kind to make of the picture");
  } else if (text.image.empty() && !request.image && needs_picture(text.kind)) {
    fail_usage(app,
               "--control kind=" + text.kind + " has no picture: give it image=FILE or map=FILE");
  } else {
    annotate_unit(job, request, text, unit);
  }
  if (!text.model.empty()) {
    unit.model = text.model;
  } else if (unit.annotator.empty()) {
    if (text.kind.empty()) fail_usage(app, "--control has no model: give it model=PATH or a kind");
    unit.model = text.kind;
  }
  if (!unit.fit && !job.fit.empty()) unit.fit = fit_of("--fit", job.fit);
  if (!text.mask.empty()) {
    unit.mask = load_mask(text.mask);
    warn_input(lint_mask(*unit.mask), job.strict);
  }
  return unit;
}

/// The k-th of the paired lists.
ControlUnit paired_unit(const CLI::App& app, const JobOptions& job, size_t k,
                        const std::optional<ControlUnit>& made) {
  const ControlOptions& options = job.controls;
  const std::string number = "control " + std::to_string(k + 1);
  ControlUnit unit;
  if (k < options.images.size()) {
    unit.hint = load_image(options.images[k]);
    warn_input(lint_map(unit.hint, options.images[k]), job.strict);
    if (made) unit.model = made->annotator;
  } else if (made) {
    unit = *made;
  } else {
    fail_usage(app, number + " has a --control-model but no --control-image");
  }
  if (k < options.models.size()) {
    unit.model = options.models[k];
  } else if (!made) {
    throw Error(ErrorKind::kUsage, number + " has a --control-image but no --control-model",
                "add --control-model PATH, or --control-model canny for the model's own");
  }
  if (k < options.scales.size()) unit.scale = options.scales[k];
  if (k < options.starts.size()) unit.start = options.starts[k];
  if (k < options.ends.size()) unit.end = options.ends[k];
  if (!job.fit.empty()) unit.fit = fit_of("--fit", job.fit);
  return unit;
}

}  // namespace

void check_controls(const CLI::App& app, const ControlOptions& o) {
  for (size_t k = 0; k < std::max(o.starts.size(), o.ends.size()); ++k) {
    const double start = k < o.starts.size() ? o.starts[k] : 0;
    const double end = k < o.ends.size() ? o.ends[k] : 1;
    if (start >= end) {
      fail_usage(app, "--control-start " + number_text(start) + " is not before --control-end " +
                          number_text(end));
    }
  }
  for (const std::string& text : o.units) parse_control(app, text);
}

std::vector<std::string> control_inputs(const CLI::App& app, const ControlOptions& o) {
  std::vector<std::string> inputs = o.images;
  for (const std::string& text : o.units) {
    for (const std::string& path : parse_control(app, text).inputs()) inputs.push_back(path);
  }
  return inputs;
}

std::vector<ControlUnit> make_controls(const CLI::App& app, const JobOptions& job,
                                       const EditRequest& request,
                                       const std::optional<ControlUnit>& made) {
  std::vector<ControlText> texts;
  bool is_taken = false;
  for (const std::string& text : job.controls.units) {
    texts.push_back(parse_control(app, text));
    is_taken |= made && texts.back().takes_map_of(made->annotator);
  }
  const size_t n = count_controls(app, job.controls, made && !is_taken ? 1 : 0);
  std::vector<ControlUnit> units;
  for (size_t k = 0; k < n; ++k) units.push_back(paired_unit(app, job, k, made));
  for (const ControlText& text : texts) units.push_back(unit_of(app, job, request, text, made));
  return units;
}

}  // namespace dedit::cli

// Tables of the registries for the public API.
#include "dedit/info.h"

#include <utility>

#include "annotators/annotator.h"
#include "core/str.h"
#include "schedulers/scheduler.h"

#include "dedit/error.h"

namespace dedit {
namespace {

const Annotator& known_annotator(const std::string& kind) {
  if (const Annotator* annotator = find_annotator(kind)) return *annotator;
  std::string names;
  for (const Annotator* a : all_annotators()) names += str(names.empty() ? "" : ", ", a->name);
  throw Error(ErrorKind::kUsage, str("annotator ", kind, " is unknown"), "one of " + names);
}

AnnotatorArgs args_of(const std::map<std::string, double>& values,
                      const std::map<std::string, std::string>& files) {
  AnnotatorArgs args;
  args.values.insert(values.begin(), values.end());
  args.files.insert(files.begin(), files.end());
  return args;
}

AnnotateResult result_of(Annotation made) {
  return {std::move(made.map), std::move(made.warnings), std::move(made.notes),
          std::move(made.hashes)};
}

}  // namespace

std::vector<SchedulerInfo> schedulers() {
  std::vector<SchedulerInfo> rows;
  for (const Scheduler* s : all_schedulers()) {
    rows.push_back({.name = s->name,
                    .summary = s->summary,
                    .paper = s->paper,
                    .diffusers_class = s->diffusers_class,
                    .aliases = s->aliases,
                    .order = s->order,
                    .stochastic = s->stochastic,
                    .params = s->params});
  }
  return rows;
}

std::vector<AnnotatorInfo> annotators() {
  std::vector<AnnotatorInfo> rows;
  for (const Annotator* a : all_annotators()) {
    rows.push_back({a->name, a->summary, a->paper, a->params,
                    a->control.empty() ? a->name : a->control, a->aliases, a->is_picture_optional});
  }
  return rows;
}

AnnotateResult annotate(const std::string& kind, const Image& image,
                        const std::map<std::string, double>& values,
                        const std::map<std::string, std::string>& files) {
  return result_of(annotate(known_annotator(kind), image, args_of(values, files)));
}

AnnotateResult annotate(const std::string& kind, Image&& image,
                        const std::map<std::string, double>& values,
                        const std::map<std::string, std::string>& files) {
  return result_of(annotate(known_annotator(kind), std::move(image), args_of(values, files)));
}

}  // namespace dedit

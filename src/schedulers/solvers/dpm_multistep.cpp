#include "schedulers/dpm_multistep.h"

#include "schedulers/solver_options.h"

namespace dedit::schedulers {

extern const Scheduler dpm_multistep;

namespace {

constexpr Param kParams[] = {
    kDpmMultistepParams[0],
    kDpmMultistepParams[1],
    {.name = "algorithm_type",
     .kind = ParamKind::kChoice,
     .value = double(DpmAlgorithm::kDpm),
     .help = "what is extrapolated, and whether noise is added",
     .choices = kDpmAlgorithms},
    {.name = "solver_order",
     .kind = ParamKind::kInt,
     .value = 2,
     .min = 1,
     .max = 3,
     .help = "order of the method"},
};

std::unique_ptr<Solver> make(const SolverOptions& options) {
  int algorithm = int(parameter(dpm_multistep, options, "algorithm_type"));
  // Reached by a file of the class, whose default is another than this row's.
  const bool is_said = options.params.contains("algorithm_type") ||
                       options.config.settings.contains("algorithm_type");
  if (!is_said && options.config.use == ConfigUse::kScheduler) {
    algorithm = int(DpmAlgorithm::kDpmPlusPlus);
  }
  const int order = int(parameter(dpm_multistep, options, "solver_order"));
  return make_dpm_multistep(dpm_multistep, options, DpmAlgorithm(algorithm), order);
}

}  // namespace

const Scheduler dpm_multistep = {
    .name = "dpm_multistep",
    .summary = "DPM-Solver and its variants, multistep of order 1 to 3, one network call per step",
    .paper = "Lu et al. 2022, arXiv:2206.00927",
    .diffusers_class = "DPMSolverMultistepScheduler",
    .aliases = "dpm_solver",
    .order = 2,
    .karras = true,
    .thresholds = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .clips_lambda = true,
    .takes_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kParams,
    .make = make,
};

}  // namespace dedit::schedulers

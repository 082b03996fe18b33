#include "schedulers/dpm_multistep.h"

namespace dedit::schedulers {

extern const Scheduler dpmpp_3m;

namespace {

std::unique_ptr<Solver> make(const SolverOptions& options) {
  return make_dpm_multistep(dpmpp_3m, options, DpmAlgorithm::kDpmPlusPlus, 3);
}

}  // namespace

const Scheduler dpmpp_3m = {
    .name = "dpmpp_3m",
    .summary = "DPM-Solver++(3M): multistep over three outputs, one network call per step",
    .paper = "Lu et al. 2022, arXiv:2211.01095",
    .diffusers_class = "DPMSolverMultistepScheduler",
    .aliases = "dpm++_3m",
    .order = 2,  // the reference weighs the second difference by half of what order 3 needs
    .karras = true,
    .thresholds = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .clips_lambda = true,
    .takes_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kDpmMultistepParams,
    .class_settings = "algorithm_type=dpmsolver++ solver_order=3",
    .make = make,
};

}  // namespace dedit::schedulers

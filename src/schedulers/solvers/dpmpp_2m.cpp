#include "schedulers/dpm_multistep.h"

namespace dedit::schedulers {

extern const Scheduler dpmpp_2m;

namespace {

std::unique_ptr<Solver> make(const SolverOptions& options) {
  return make_dpm_multistep(dpmpp_2m, options, DpmAlgorithm::kDpmPlusPlus, 2);
}

}  // namespace

const Scheduler dpmpp_2m = {
    .name = "dpmpp_2m",
    .summary = "DPM-Solver++(2M): second-order multistep, one network call per step",
    .paper = "Lu et al. 2022, arXiv:2211.01095, Algorithm 2",
    .diffusers_class = "DPMSolverMultistepScheduler",
    .aliases = "dpm++_2m k_dpmpp_2m",
    .order = 2,
    .karras = true,
    .thresholds = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .clips_lambda = true,
    .takes_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kDpmMultistepParams,
    .class_settings = "algorithm_type=dpmsolver++ solver_order=2",
    .make = make,
};

}  // namespace dedit::schedulers

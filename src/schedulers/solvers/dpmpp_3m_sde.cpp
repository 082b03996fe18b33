#include "schedulers/dpm_multistep.h"

namespace dedit::schedulers {

extern const Scheduler dpmpp_3m_sde;

namespace {

std::unique_ptr<Solver> make(const SolverOptions& options) {
  return make_dpm_multistep(dpmpp_3m_sde, options, DpmAlgorithm::kSdePlusPlus, 3);
}

}  // namespace

const Scheduler dpmpp_3m_sde = {
    .name = "dpmpp_3m_sde",
    .summary = "stochastic DPM-Solver++(3M): one network call and one draw per step",
    .paper = "Lu et al. 2022, arXiv:2211.01095; Crowson, k-diffusion",
    .diffusers_class = "DPMSolverMultistepScheduler",
    .aliases = "dpm++_3m_sde k_dpmpp_3m_sde dpmpp_3m_sde_gpu",
    .order = 3,
    .stochastic = true,
    .karras = true,
    .thresholds = true,
    .rescales_snr = true,
    .takes_timesteps = true,
    .clips_lambda = true,
    .takes_flow = true,
    .default_spacing = Spacing::kLinspace,
    .params = kDpmMultistepParams,
    .class_settings = "algorithm_type=sde-dpmsolver++ solver_order=3",
    .make = make,
};

}  // namespace dedit::schedulers

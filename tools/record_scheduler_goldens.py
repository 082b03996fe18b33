#!/usr/bin/env python3
"""Record the ends of diffusers' scheduler trajectories for the tests.

Writes tests/data/schedulers/golden/NAME.json, one file per scheduler, one row per
run: {epsilon, v} x {leading, linspace, trailing, Karras where it has it} x {1, 2, 3,
10, 25 steps}, and runs of the scheduler's own settings. Needs torch and diffusers.

A run steps 16 numbers with the pipelines' loop and a made-up network,

    model(x, t) = 0.6 x + 0.4 cos(2 x + t / 100)          (float32, elementwise)

from START = (numbers of torch.randn, seed 7, rounded to 1/64) * init_noise_sigma; the
steps draw from a generator of seed 11. The Stable Diffusion noise schedule. A row keeps
the last sample, as "x"; "undefined" says that the reference fails or gives no number.
"""

import argparse
import itertools
import json
import os
import sys
import warnings

import diffusers
import numpy as np
import torch

SD = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
          num_train_timesteps=1000)
START = (torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(7)) * 64).round() / 64
STEPS = (1, 2, 3, 10, 25)
ALL = ("leading", "linspace", "trailing")
DPM = "DPMSolverMultistepScheduler"
# name: class, spacings, sigmas, settings of every run, further settings one at a time
SCHEDULERS = {
    "ddpm": ("DDPMScheduler", ALL, (), dict(clip_sample=False),
             [dict(variance_type="fixed_large"), dict(variance_type="fixed_small_log"),
              dict(clip_sample=True), dict(thresholding=True, sample_max_value=1.5)]),
    "ddim": ("DDIMScheduler", ALL, (), dict(clip_sample=False, set_alpha_to_one=False),
             [dict(eta=1.0), dict(eta=0.5), dict(clip_sample=True), dict(set_alpha_to_one=True),
              dict(rescale_betas_zero_snr=True, prediction_type="v_prediction"),
              dict(thresholding=True)]),
    "ddim_inverse": ("DDIMInverseScheduler", ("leading", "trailing"), (), dict(clip_sample=False),
                     [dict(set_alpha_to_one=False)]),
    "pndm": ("PNDMScheduler", ALL, (), dict(skip_prk_steps=True, set_alpha_to_one=False), []),
    "lms": ("LMSDiscreteScheduler", ALL, ("karras", "exponential", "beta"), {}, []),
    "euler": ("EulerDiscreteScheduler", ALL, ("karras", "exponential", "beta"), {},
              [dict(final_sigmas_type="sigma_min"), dict(rescale_betas_zero_snr=True)]),
    "euler_a": ("EulerAncestralDiscreteScheduler", ALL, (), {},
                [dict(rescale_betas_zero_snr=True, prediction_type="v_prediction")]),
    "heun": ("HeunDiscreteScheduler", ALL, ("karras", "exponential", "beta"), {},
             [dict(clip_sample=True)]),
    "dpm2": ("KDPM2DiscreteScheduler", ALL, ("karras", "exponential", "beta"), {}, []),
    "dpm2_a": ("KDPM2AncestralDiscreteScheduler", ALL, ("karras", "exponential", "beta"), {}, []),
    "dpmpp_2m": (DPM, ALL, ("karras", "exponential", "beta"), {},
                 [dict(solver_type="heun"), dict(final_sigmas_type="sigma_min"),
                  dict(euler_at_final=True, final_sigmas_type="sigma_min"),
                  dict(lower_order_final=False), dict(use_lu_lambdas=True),
                  dict(rescale_betas_zero_snr=True), dict(thresholding=True),
                  dict(beta_schedule="squaredcos_cap_v2", use_karras_sigmas=True),
                  dict(use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction")]),
    "dpmpp_3m": (DPM, ALL, ("karras",), dict(solver_order=3), [dict(lower_order_final=False)]),
    "dpmpp_2m_sde": (DPM, ALL, ("karras",), dict(algorithm_type="sde-dpmsolver++"),
                     [dict(solver_type="heun")]),
    "dpmpp_3m_sde": (DPM, ALL, ("karras",),
                     dict(algorithm_type="sde-dpmsolver++", solver_order=3), []),
    "dpm_multistep": (DPM, ALL, ("karras",),
                      dict(algorithm_type="dpmsolver", final_sigmas_type="sigma_min"),
                      [dict(solver_order=1), dict(solver_order=3), dict(solver_type="heun"),
                       dict(algorithm_type="sde-dpmsolver"), dict(thresholding=True),
                       dict(algorithm_type="sde-dpmsolver", solver_type="heun"),
                       dict(algorithm_type="dpmsolver++", solver_order=1)]),
    "dpm_multistep_inverse": ("DPMSolverMultistepInverseScheduler", ALL,
                              ("karras", "exponential", "beta"), {},
                              [dict(solver_order=1), dict(solver_order=3),
                               dict(solver_type="heun"), dict(euler_at_final=True),
                               dict(lower_order_final=False), dict(thresholding=True),
                               dict(algorithm_type="dpmsolver"),
                               dict(algorithm_type="dpmsolver", solver_order=3),
                               dict(algorithm_type="dpmsolver", solver_type="heun"),
                               dict(beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1)]),
    "dpm_singlestep": ("DPMSolverSinglestepScheduler", ("linspace",),
                       ("karras", "exponential", "beta"), {},
                       [dict(solver_order=1), dict(solver_order=3),
                        dict(solver_order=3, solver_type="heun"), dict(solver_type="heun"),
                        dict(final_sigmas_type="sigma_min"),
                        dict(algorithm_type="dpmsolver", final_sigmas_type="sigma_min"),
                        dict(algorithm_type="dpmsolver", final_sigmas_type="sigma_min",
                             solver_order=3, lower_order_final=True),
                        dict(algorithm_type="sde-dpmsolver++"),
                        dict(algorithm_type="sde-dpmsolver++", solver_order=3)]),
    "unipc": ("UniPCMultistepScheduler", ALL, ("karras", "exponential", "beta"), {},
              [dict(solver_order=1), dict(solver_order=3), dict(solver_type="bh1"),
               dict(solver_type="bh1", solver_order=3), dict(final_sigmas_type="sigma_min"),
               dict(predict_x0=False, final_sigmas_type="sigma_min"),
               dict(use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction"),
               dict(use_flow_sigmas=True, use_dynamic_shifting=True, mu=0.7, shift_terminal=0.1,
                    prediction_type="flow_prediction"),
               dict(rescale_betas_zero_snr=True)]),
    "deis": ("DEISMultistepScheduler", ALL, ("karras", "exponential", "beta"), {},
             [dict(solver_order=1), dict(solver_order=3), dict(lower_order_final=False)]),
    "sa_solver": ("SASolverScheduler", ALL, ("karras",), {},
                  [dict(predictor_order=3, corrector_order=4), dict(predictor_order=1),
                   dict(algorithm_type="noise_prediction"), dict(lower_order_final=False)]),
    "lcm": ("LCMScheduler", ("leading",), (), {}, [dict(original_inference_steps=100)]),
    "tcd": ("TCDScheduler", ("leading",), (), {}, [dict(eta=0.0), dict(eta=1.0)]),
    "flow_match_euler": ("FlowMatchEulerDiscreteScheduler", (None,),
                         ("karras", "exponential", "beta"), {},
                         [dict(shift=3.0), dict(stochastic_sampling=True),
                          dict(use_dynamic_shifting=True, mu=1.15),
                          dict(use_dynamic_shifting=True, mu=1.15, time_shift_type="linear")]),
    "ipndm": ("IPNDMScheduler", (None,), (), {}, []),
    "flow_match_heun": ("FlowMatchHeunDiscreteScheduler", (None,), (), {}, [dict(shift=3.0)]),
}


def model(x, t):
    return 0.6 * x + 0.4 * torch.cos(2 * x + float(t) / 100)


def numbers(x):
    """Shortest decimals that give the same float32."""
    return [float(np.format_float_positional(np.float32(v), unique=True))
            for v in np.asarray(x, np.float32).ravel()]


def run(scheduler, steps, eta, mu):
    scheduler.set_timesteps(steps, **({"mu": mu} if mu else {}))
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    generator = torch.Generator().manual_seed(11)
    accepted = scheduler.step.__code__.co_varnames[:scheduler.step.__code__.co_argcount]
    extra = {"generator": generator} if "generator" in accepted else {}
    if eta is not None:
        extra["eta"] = eta
    x = START * scheduler.init_noise_sigma if hasattr(scheduler, "init_noise_sigma") else START
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(model(scaled, t), t, x, **extra).prev_sample
    return x


def record(cls, steps, config):
    row = {"n": steps, "config": {k: v for k, v in config.items()}}
    config = dict(config)
    eta, mu = config.pop("eta", None), config.pop("mu", None)
    if not cls.__name__.startswith(("FlowMatch", "IPNDM")):
        config = {**SD, "steps_offset": 1, **config}
        if "DPMSolverSinglestep" in cls.__name__:
            config.pop("steps_offset")
    try:
        x = run(cls(**config), steps, eta, mu)
    except (IndexError, ValueError, UnboundLocalError, RuntimeError) as error:
        return {**row, "undefined": type(error).__name__}
    if not torch.isfinite(x).all():
        return {**row, "undefined": "not a number"}
    return {**row, "x": numbers(x)}


def rows(name):
    class_name, spacings, sigmas, own, further = SCHEDULERS[name]
    cls = getattr(diffusers, class_name)
    has_kind = not class_name.startswith(("FlowMatch", "IPNDM"))
    kinds = ("epsilon", "v_prediction") if has_kind else (None,)
    grids = [{"timestep_spacing": s} if s else {} for s in spacings]
    if "DPMSolverSinglestep" in class_name or name in ("lcm", "tcd"):
        grids = [{}]
    grids += [{f"use_{s}_sigmas": True} for s in sigmas]
    for kind, grid, steps in itertools.product(kinds, grids, STEPS):
        yield record(cls, steps, {**own, **({"prediction_type": kind} if kind else {}), **grid})
    for setting, steps in itertools.product(further, (3, 10, 25)):
        yield record(cls, steps, {**own, **setting})


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    p.add_argument("--out", default=os.path.join(here, "../tests/data/schedulers/golden"))
    p.add_argument("names", nargs="*", default=list(SCHEDULERS), help="schedulers (default: all)")
    args = p.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    diffusers.logging.set_verbosity_error()
    os.makedirs(args.out, exist_ok=True)
    for name in args.names:
        head = {"script": "tools/record_scheduler_goldens.py", "torch": torch.__version__,
                "numpy": np.__version__, "diffusers": diffusers.__version__}
        body = ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in rows(name))
        with open(os.path.join(args.out, name + ".json"), "w", encoding="utf-8") as f:
            f.write(f'{{\n "source": {json.dumps(head)},\n "scheduler": "{name}",\n'
                    f' "class": "{SCHEDULERS[name][0]}",\n "start": {json.dumps(numbers(START))},\n'
                    f' "runs": [\n{body}\n ]\n}}\n')
        print(name)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Run random scheduler configurations through dedit and diffusers and print the differences.

    check_schedulers.py --dedit build/release/dedit [--seed 1] [--count 400] [CLASS ...]

Each configuration goes as a scheduler_config.json through `dedit schedule --denoiser toy`
and through the class itself with the same loop. A difference counts above 1e-4 of the
largest value, unless moving the start by one bit moves the reference as much, or it goes
when the reference takes exact square roots (torch has MKL's on some CPUs, up to 0.75 of the
last place off). Needs torch and diffusers; exit code 1 if anything differs.
"""

import argparse
import collections
import contextlib
import inspect
import json
import os
import random
import subprocess
import sys
import tempfile
import warnings
from unittest import mock

import diffusers
import numpy as np
import torch
from safetensors.torch import save_file

SHAPE = (1, 4, 8, 8)
COMMON = dict(num_train_timesteps=(1000, 1000, 1100, 500), beta_start=(1e-4, 8.5e-4),
              beta_end=(0.02, 0.012), beta_schedule=("linear", "scaled_linear", "squaredcos_cap_v2"),
              prediction_type=("epsilon", "v_prediction", "sample"),
              timestep_spacing=("leading", "linspace", "trailing"), steps_offset=(0, 1, 2))
SPREAD = dict(spread=("", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"))
LIMIT = dict(thresholding=(False, False, True), sample_max_value=(1.0, 1.5),
             dynamic_thresholding_ratio=(0.995, 0.9))
ZERO_SNR = dict(rescale_betas_zero_snr=(False, False, True))
CLIP = dict(clip_sample=(False, True), clip_sample_range=(1.0, 2.0))
ONE = dict(set_alpha_to_one=(True, False))
FLOW = dict(use_flow_sigmas=(False, False, True), flow_shift=(1.0, 3.0))
DYNAMIC = dict(use_dynamic_shifting=(False, False, True))
CLIPPED = dict(lambda_min_clipped=(-float("inf"), -5.1, -3.0))
SHORT = dict(time_shift_type=("exponential", "linear"), shift_terminal=(None, 0.1))
DPM = dict(solver_order=(1, 2, 3), solver_type=("midpoint", "heun"),
           algorithm_type=("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"),
           lower_order_final=(True, False), final_sigmas_type=("zero", "sigma_min"))
SINGLE = {k: v for k, v in COMMON.items() if k not in ("timestep_spacing", "steps_offset")}
DISTILLED = dict(original_inference_steps=(50, 100, 25))
CLASSES = {
    "DDPMScheduler": {**COMMON, **LIMIT, **ZERO_SNR, **CLIP,
                      "beta_schedule": ("linear", "squaredcos_cap_v2", "sigmoid", "laplace"),
                      "variance_type": ("fixed_small", "fixed_small_log", "fixed_large")},
    "DDIMScheduler": {**COMMON, **LIMIT, **ZERO_SNR, **CLIP, **ONE},
    "DDIMInverseScheduler": {**COMMON, **ZERO_SNR, **CLIP, **ONE,
                             "timestep_spacing": ("leading", "trailing")},
    "PNDMScheduler": {**COMMON, **ONE, "skip_prk_steps": (True, False),
                      "prediction_type": ("epsilon", "v_prediction")},
    "LMSDiscreteScheduler": {**COMMON, **SPREAD},
    "EulerDiscreteScheduler": {**COMMON, **SPREAD, **ZERO_SNR,
                               "final_sigmas_type": ("zero", "sigma_min"),
                               "timestep_type": ("discrete", "continuous")},
    "EulerAncestralDiscreteScheduler": {**COMMON, **ZERO_SNR},
    "HeunDiscreteScheduler": {**COMMON, **SPREAD, "clip_sample": (False, True)},
    "KDPM2DiscreteScheduler": {**COMMON, **SPREAD},
    "KDPM2AncestralDiscreteScheduler": {**COMMON, **SPREAD},
    "DPMSolverMultistepScheduler": {**COMMON, **SPREAD, **LIMIT, **ZERO_SNR, **DPM, **FLOW,
                                    **DYNAMIC, **CLIPPED,
                                    "euler_at_final": (False, True),
                                    "use_lu_lambdas": (False, False, True)},
    "DPMSolverSinglestepScheduler": {**SINGLE, **SPREAD, **LIMIT, **DPM, **FLOW, **DYNAMIC,
                                     **CLIPPED},
    "DPMSolverMultistepInverseScheduler": {**COMMON, **SPREAD, **LIMIT, **DPM, **CLIPPED,
                                           "algorithm_type": ("dpmsolver++", "dpmsolver")},
    "UniPCMultistepScheduler": {**COMMON, **SPREAD, **LIMIT, **ZERO_SNR, **FLOW, **DYNAMIC, **SHORT,
                                "solver_order": (1, 2, 3, 4), "solver_type": ("bh1", "bh2"),
                                "predict_x0": (True, True, False),
                                "disable_corrector": ([], [0], [1, 2])},
    "DEISMultistepScheduler": {**COMMON, **SPREAD, **LIMIT, **FLOW, **DYNAMIC,
                               "solver_order": (1, 2, 3)},
    "SASolverScheduler": {**COMMON, **SPREAD, **LIMIT, **FLOW, **CLIPPED, "predictor_order": (1, 2, 3, 4),
                          "corrector_order": (1, 2, 3, 4),
                          "algorithm_type": ("data_prediction", "noise_prediction")},
    "LCMScheduler": {**COMMON, **LIMIT, **ZERO_SNR, **CLIP, **DISTILLED},
    "TCDScheduler": {**COMMON, **ZERO_SNR, **DISTILLED},
    "IPNDMScheduler": {"num_train_timesteps": (1000, 500)},
    "FlowMatchEulerDiscreteScheduler": {**SPREAD, **DYNAMIC, "shift": (1.0, 3.0, 0.5),
                                        "stochastic_sampling": (False, True),
                                        "invert_sigmas": (False, False, True),
                                        "shift_terminal": (None, 0.02),
                                        "time_shift_type": ("exponential", "linear")},
    "FlowMatchHeunDiscreteScheduler": {"shift": (1.0, 3.0, 0.5)},
}
# Lists instead of a number of steps, and the classes that take them.
TIMESTEPS = ((999, 850, 736, 645, 545, 455, 343, 233, 124, 24), (800, 500, 100), (499,))
TAKES_TIMESTEPS = ("DDPMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler",
                   "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler",
                   "LCMScheduler", "TCDScheduler", "FlowMatchEulerDiscreteScheduler")
SIGMAS = {"EulerDiscreteScheduler": ((14.615, 6.475, 3.861, 2.697, 1.886, 0.963, 0.399, 0.0),
                                     (9.0, 2.0, 0.5, 0.03)),
          "FlowMatchEulerDiscreteScheduler": ((1.0, 0.9, 0.6, 0.2, 0.0), (0.8, 0.3, 0.0))}


def pick_list(rng, name, config, run):
    """Sometimes a list of timesteps or sigmas; `steps` becomes its length."""
    if name in SIGMAS and rng.random() < 0.2:
        run["sigma-values"] = rng.choice(SIGMAS[name])
        run["steps"] = len(run["sigma-values"]) - 1
    elif name in TAKES_TIMESTEPS and rng.random() < 0.2:
        train = config.get("num_train_timesteps", 1000)
        run["timesteps"] = [t for t in rng.choice(TIMESTEPS) if t < train]
        run["steps"] = len(run["timesteps"])
    if "start-index" in run:
        run["start-index"] %= run["steps"]


def pick(rng, name):
    """A random configuration of a class and a random way to run it."""
    config = {}
    for key, values in CLASSES[name].items():
        value = rng.choice(values)
        if key == "spread":
            config.update({value: True} if value else {})
        elif rng.random() < 0.55:
            config[key] = value
    if config.get("use_flow_sigmas"):
        config["prediction_type"] = "flow_prediction"
    run = {"steps": rng.choice((1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 10, 13, 15, 20, 25, 30, 50, 100)),
           "seed": rng.randrange(100),
           "start": rng.choice(("noise", "noise", "noised", "init")),
           "loop": rng.choice(("pipeline", "plain"))}
    if run["start"] != "noise":
        run.update(rng.choice(({}, {"strength": rng.choice((0.3, 0.5, 0.6, 0.8, 1.0))},
                               {"start-index": rng.randrange(run["steps"])})))
    if name in ("DDIMScheduler", "TCDScheduler"):
        run.update(rng.choice(({}, {"eta": rng.choice((0.0, 0.5, 1.0))})))
    if config.get("use_dynamic_shifting"):
        run.update(rng.choice(({}, {"mu": 0.5}, {"mu": 1.15}, {"mu": 1.15})))
    pick_list(rng, name, config, run)
    return config, run


def reference(name, config, run, noise, init, nudge=0.0):
    scheduler = getattr(diffusers, name)(**config)
    steps = run["steps"]
    asked = {"mu": run["mu"]} if "mu" in run else {}
    if "timesteps" in run:
        asked["timesteps"] = list(run["timesteps"])
    elif "sigma-values" in run:
        is_flow = name.startswith("FlowMatch")  # whose final 0 is not listed
        asked["sigmas"] = list(run["sigma-values"][:-1] if is_flow else run["sigma-values"])
    else:
        asked["num_inference_steps"] = steps
    scheduler.set_timesteps(**asked)
    skipped = run.get("start-index", 0)
    if "strength" in run:
        skipped = steps - min(int(steps * run["strength"]), steps)
    begin = skipped * getattr(scheduler, "order", 1)
    timesteps = scheduler.timesteps[begin:]
    if skipped and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    x = init.clone()
    if run["start"] == "noise":
        x = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    elif run["start"] == "noised" and name.startswith("FlowMatch"):
        x = scheduler.scale_noise(init, timesteps[:1], noise)
    elif run["start"] == "noised":
        x = scheduler.add_noise(init, noise, timesteps[:1])
    if nudge:
        x = x * (1 + nudge * torch.randn(SHAPE, generator=torch.Generator().manual_seed(9)))
    sigmas = [float(s) for s in getattr(scheduler, "sigmas", [])]
    known = inspect.signature(scheduler.step).parameters
    extra = {"generator": torch.Generator().manual_seed(run["seed"])} if "generator" in known else {}
    if "eta" in run:
        extra["eta"] = run["eta"]
    for t in timesteps:
        scales = run["loop"] == "pipeline" and hasattr(scheduler, "scale_model_input")
        seen = scheduler.scale_model_input(x, t) if scales else x
        x = scheduler.step(seen * t / (t + 1), t, x, **extra).prev_sample
    return {"timesteps": [float(t) for t in scheduler.timesteps], "sigmas": sigmas,
            "init_noise_sigma": float(getattr(scheduler, "init_noise_sigma", 1.0)),
            "latents": x.flatten().tolist(), "file": scheduler.to_json_string()}


@contextlib.contextmanager
def exact_roots():
    """Square roots of torch to the nearest f32."""
    power = torch.Tensor.__pow__

    def root(x):
        return torch.as_tensor(np.sqrt(x.numpy()))

    def to_power(x, exponent):
        return root(x) if isinstance(exponent, float) and exponent == 0.5 else power(x, exponent)

    with (mock.patch.object(torch.Tensor, "__pow__", to_power),
          mock.patch.object(torch.Tensor, "sqrt", root), mock.patch.object(torch, "sqrt", root)):
        yield


def error(ours, theirs):
    """The largest difference over the largest value; infinite for other lengths."""
    a, b = np.atleast_1d(np.array(ours, float)), np.atleast_1d(np.array(theirs, float))
    if a.shape != b.shape:
        return np.inf
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)) if a.size else 0.0


def dedit(binary, folder, name, config, run):
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        f.write(config if isinstance(config, str) else json.dumps({**config, "_class_name": name}))
    words = [binary, "schedule", "--denoiser", "toy", "--trace-json", "-", "--scheduler-config",
             os.path.join(folder, "config.json"), "--latents", os.path.join(folder, "f.safetensors")]
    for key, value in run.items():
        if key == "mu":
            words += ["--scheduler-option", f"mu={value}"]
        elif key in ("timesteps", "sigma-values"):
            words += [f"--{key}", ",".join(map(str, value))]
        elif key != "steps" or not {"timesteps", "sigma-values"} & run.keys():
            words += [f"--{key}", str(value)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()


def compare(name, config, run, noise, init, ask):
    """A verdict, and what to print."""
    try:
        theirs = reference(name, config, run, noise, init)
    except Exception as failure:  # whatever the reference refuses with
        answer = ask(config)
        return ("both refuse" if isinstance(answer, str) else "only diffusers refuses",
                f"{type(failure).__name__}: {failure}")
    ours = ask(theirs["file"] if run["seed"] % 2 else config)
    if not np.isfinite(theirs["latents"]).all() or len(theirs["latents"]) != noise.numel():
        return "no result in diffusers", ""
    if isinstance(ours, str):
        return "only dedit refuses", ours
    def differences(other):
        errors = {key: error(ours[key], other[key])
                  for key in ("timesteps", "sigmas", "init_noise_sigma", "latents")}
        return errors, {key: f"{e:.1e}" for key, e in errors.items() if not e <= 1e-4}

    errors, wrong = differences(theirs)
    if list(wrong) == ["latents"]:
        moved = reference(name, config, run, noise, init, 6e-8)["latents"]
        if errors["latents"] <= 30 * error(moved, theirs["latents"]):
            return "rounding", ""
    if wrong:
        with exact_roots():
            if not differences(reference(name, config, run, noise, init))[1]:
                return "torch's square root", ""
    return ("differs" if wrong else "equal"), str(wrong)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dedit", required=True, help="the binary")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=400)
    p.add_argument("classes", nargs="*", default=list(CLASSES), help="default: all")
    args = p.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    diffusers.logging.set_verbosity_error()
    rng = random.Random(args.seed)
    draw = torch.Generator().manual_seed(3)
    noise, init = torch.randn(SHAPE, generator=draw), torch.randn(SHAPE, generator=draw) / 2
    verdicts = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as folder:
        save_file({"latents": noise, "init_latents": init}, os.path.join(folder, "f.safetensors"))
        for i in range(args.count):
            name = args.classes[i % len(args.classes)]
            config, run = pick(rng, name)
            verdict, what = compare(name, config, run, noise, init,
                                    lambda c, n=name, r=run: dedit(args.dedit, folder, n, c, r))
            verdicts[name][verdict] += 1
            if verdict in ("differs", "only dedit refuses"):
                print(name, verdict, what, json.dumps(config), json.dumps(run))
    for name, counts in verdicts.items():
        print(f"{name}: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
    return int(any(c["differs"] or c["only dedit refuses"] for c in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
